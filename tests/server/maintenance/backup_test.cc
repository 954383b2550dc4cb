#include "server/maintenance/backup.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/resource_names.h"
#include "tests/server/maintenance/stored_jobs.h"

namespace acclimate::maintenance {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BackupTest : public testing::Test {
 protected:
  std::vector<Problem> BackUpNow() {
    const auto result = BackUp(stored_.path(), to_.File("backup"));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->problems : std::vector<Problem>();
  }
  std::string CopyOf(const std::string& sha256) {
    return to_.File("backup/blobs/" + sha256.substr(0, 2) + "/" + sha256);
  }

  StoredJobs stored_;
  const TemporaryFolder to_;
};

TEST_F(BackupTest, WhatIsRestoredIsWhatWasThere) {
  const std::string sha256 = stored_.AddBlob("content"), other = stored_.AddBlob("other", "team"),
                    pinned = stored_.AddBlob("pinned");
  ASSERT_TRUE(stored_.blobs().SetPinned(pinned, true).ok());
  const std::string one = stored_.AddJob("one", sha256), two = stored_.AddJob("two", other, "team");
  const v1::Job before = *stored_.store().Get(one);
  std::ofstream(stored_.path() + "/audit.jsonl") << "{}\n";
  EXPECT_THAT(BackUpNow(), IsEmpty());  // the stores are in use
  stored_.Close();

  const auto restored = Restore(to_.File("backup"), to_.File("restored"));
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_THAT(restored->problems, IsEmpty());
  EXPECT_EQ(restored->blobs, 3);
  EXPECT_EQ(to_.Read("restored/audit.jsonl"), "{}\n");
  metrics::ServerMetrics metrics;
  auto store = *jobs::SqliteJobStore::Open(to_.File("restored/jobs.sqlite"), &metrics);
  EXPECT_EQ(store->Get(one)->SerializeAsString(), before.SerializeAsString());
  EXPECT_TRUE(store->Get(two).ok());
  auto stores = *artifacts::TenantStores::Open(to_.File("restored"), &metrics, {});
  EXPECT_TRUE((*stores->BlobsOf("default"))->Open(sha256).ok());
  EXPECT_TRUE((*stores->BlobsOf("default"))->Get(pinned)->pinned);
  EXPECT_TRUE((*stores->BlobsOf("team"))->Open(other).ok());
}

TEST_F(BackupTest, ALaterBackupIsBroughtUpToDate) {
  const std::string first = stored_.AddBlob("first");
  const std::string job = stored_.AddJob("one", first);
  EXPECT_THAT(BackUpNow(), IsEmpty());
  const auto copied = fs::last_write_time(CopyOf(first));
  stored_.AddJob("two", stored_.AddBlob("second"));
  EXPECT_THAT(BackUpNow(), IsEmpty());
  EXPECT_EQ(fs::last_write_time(CopyOf(first)), copied);
  const auto restored = Restore(to_.File("backup"), to_.File("restored"));
  ASSERT_TRUE(restored.ok());
  EXPECT_EQ(restored->blobs, 2);
}

TEST_F(BackupTest, ADamagedCopyIsMadeAnew) {
  const std::string sha256 = stored_.AddBlob("content");
  stored_.AddJob("one", sha256);
  EXPECT_THAT(BackUpNow(), IsEmpty());
  StoredJobs::Flip(CopyOf(sha256));
  EXPECT_THAT(BackUpNow(), IsEmpty());
  EXPECT_EQ(to_.Read("backup/blobs/" + sha256.substr(0, 2) + "/" + sha256), "content");
}

TEST_F(BackupTest, ADamagedBlobIsNamedAndNotCopied) {
  const std::string damaged = stored_.AddBlob("damaged"), whole = stored_.AddBlob("whole");
  stored_.AddJob("one", damaged);
  stored_.AddJob("two", whole);
  StoredJobs::Flip(stored_.BlobPath(damaged));
  const std::vector<Problem> problems = BackUpNow();
  ASSERT_THAT(problems, SizeIs(2));
  for (const Problem& problem : problems) EXPECT_EQ(problem.what, BlobName("default", damaged));
  EXPECT_FALSE(fs::exists(CopyOf(damaged)));
  EXPECT_TRUE(fs::exists(CopyOf(whole)));
}

// Jobs go and are collected, the last to be copied first, while the directory is copied.
TEST_F(BackupTest, ACopyIsWholeWhileOthersWrite) {
  std::map<std::string, std::string> jobs;  // by the digest of their blob
  for (int i = 0; i < 200; ++i) {
    const std::string sha256 = stored_.AddBlob(absl::StrCat(i));
    jobs[sha256] = stored_.AddJob(absl::StrCat("job-", i), sha256);
  }
  std::thread traffic([&] {
    for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
      stored_.DeleteJob(job->second);
      const auto removed = stored_.blobs().Remove(job->first, [] { return false; });
      EXPECT_TRUE(removed.ok() && *removed);
      stored_.AddJob(absl::StrCat("after-", job->first), stored_.AddBlob(job->first));
    }
  });
  EXPECT_THAT(BackUpNow(), IsEmpty());
  traffic.join();
  EXPECT_THAT(BackUpNow(), IsEmpty());
}

TEST_F(BackupTest, NothingIsOverwritten) {
  stored_.AddJob("one", stored_.AddBlob("content"));
  std::ofstream(stored_.path() + "/lock") << "1\n";
  EXPECT_TRUE(absl::IsFailedPrecondition(BackUp(stored_.path(), stored_.path()).status()));
  EXPECT_THAT(BackUpNow(), IsEmpty());
  EXPECT_TRUE(absl::IsFailedPrecondition(Restore(to_.File("backup"), stored_.path()).status()));
  const TemporaryFolder empty;
  EXPECT_FALSE(BackUp(empty.path(), to_.File("of-nothing")).ok());
  EXPECT_FALSE(Restore(empty.path(), to_.File("from-nothing")).ok());
}

}  // namespace
}  // namespace acclimate::maintenance
