#include "server/auth/audit_log.h"

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::auth {
namespace {

using ::testing::HasSubstr;

class AuditLogTest : public testing::Test {
 protected:
  AuditLogTest() {
    for (const char* subject : {"alice", "bob \"x\"\n", "carol"}) Add(subject);
  }
  void Add(const std::string& subject) {
    auto log = AuditLog::Open(path_);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_TRUE((*log)
                    ->Append({absl::FromUnixSeconds(1), subject, "token", "ipv4:127.0.0.1:9",
                              "acclimate.v1.JobService/CreateJob", "tenants/default", "OK"})
                    .ok());
  }
  absl::Status Broken(const std::string& contents) {
    folder_.Write("audit.jsonl", contents);
    EXPECT_EQ(AuditLog::Open(path_).status(), VerifyAuditLog(path_).status());
    return VerifyAuditLog(path_).status();
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.File("audit.jsonl");
};

TEST_F(AuditLogTest, TheChainGoesOnOverRestarts) {
  const auto chain = VerifyAuditLog(path_);
  ASSERT_TRUE(chain.ok()) << chain.status();
  EXPECT_EQ(chain->entries, 3);
  EXPECT_EQ((*AuditLog::Open(path_))->chain().last_hash, chain->last_hash);
  EXPECT_THAT(folder_.Read("audit.jsonl"), HasSubstr("\"subject\":\"bob \\\"x\\\"\\n\""));
}

TEST_F(AuditLogTest, FindsWhatWasChangedTakenOutOrPutIn) {
  const std::string whole = folder_.Read("audit.jsonl");
  const std::vector<std::string> lines = absl::StrSplit(whole, '\n');
  const auto said = [](const absl::Status& status) { return std::string(status.message()); };
  EXPECT_THAT(said(Broken(absl::StrReplaceAll(whole, {{"bob", "bot"}}))), HasSubstr("line 2"));
  EXPECT_THAT(said(Broken(absl::StrCat(lines[0], "\n", lines[2], "\n"))), HasSubstr("line 2"));
  EXPECT_THAT(said(Broken(absl::StrCat(lines[1], "\n", lines[2], "\n"))), HasSubstr("line 1"));
  EXPECT_THAT(said(Broken(absl::StrCat(lines[0], "\n", whole))), HasSubstr("line 2"));
  EXPECT_THAT(said(Broken(whole + "{}\n")), HasSubstr("line 4"));
  EXPECT_EQ(folder_.Read("audit.jsonl"), whole + "{}\n") << "a broken log must stay as it is";
}

TEST_F(AuditLogTest, CutsOffALastLineWithoutItsEnd) {
  const std::string whole = folder_.Read("audit.jsonl");
  folder_.Write("audit.jsonl", whole + "{\"sequence\":4,\"time\"");
  EXPECT_THAT(std::string(VerifyAuditLog(path_).status().message()), HasSubstr("line 4"));
  Add("dora");
  EXPECT_EQ(VerifyAuditLog(path_)->entries, 4);
}

TEST_F(AuditLogTest, WhatIsNoFileIsNoIntactLog) {
  EXPECT_TRUE(absl::IsInvalidArgument(VerifyAuditLog(folder_.path()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(VerifyAuditLog("/dev/null").status()));
  EXPECT_TRUE(absl::IsNotFound(VerifyAuditLog(folder_.File("none")).status()));
}

TEST_F(AuditLogTest, ManyThreadsMakeOneChain) {
  {
    auto log = AuditLog::Open(path_);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 50; ++j) EXPECT_TRUE((*log)->Append({}).ok());
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(VerifyAuditLog(path_)->entries, 403);
}

}  // namespace
}  // namespace acclimate::auth
