#include "server/jobs/blob_references.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/resource_names.h"
#include "server/jobs/job_change.h"
#include "server/jobs/sqlite_job_store.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::jobs {
namespace {

namespace fs = std::filesystem;

const std::string kJob = "tenants/default/jobs/one";

// "1" -> a digest of ones.
std::string Digest(char digit) { return std::string(64, digit); }
std::string Blob(char digit, const std::string& tenant = "default") {
  return BlobName(tenant, Digest(digit));
}

// The tables of a store of version 1.
constexpr char kVersion1[] = R"sql(
  CREATE TABLE jobs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    state INTEGER NOT NULL,
    method TEXT NOT NULL,
    priority INTEGER NOT NULL,
    proto BLOB NOT NULL);
  CREATE TABLE labels (
    sequence INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (sequence, key)) WITHOUT ROWID;
  CREATE TABLE events (
    sequence INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    proto BLOB NOT NULL,
    PRIMARY KEY (sequence, cursor)) WITHOUT ROWID;
  CREATE TABLE requests (
    tenant TEXT NOT NULL,
    request_id TEXT NOT NULL,
    spec_digest TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (tenant, request_id)) WITHOUT ROWID;
  PRAGMA user_version = 1)sql";
constexpr char kCopyFromNew[] = R"sql(
  INSERT INTO jobs SELECT sequence, name, tenant, state, method, priority, proto FROM new.jobs;
  INSERT INTO events SELECT sequence, cursor, proto FROM new.events)sql";

class BlobReferencesTest : public testing::Test {
 protected:
  BlobReferencesTest() { Reopen(); }

  void Reopen() {
    store_ = nullptr;
    auto store = SqliteJobStore::Open(folder_.File("jobs.sqlite"), &metrics_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void Create(const std::string& name, const v1::JobSpec& spec) {
    const auto created = store_->Create(NewJob(name, spec, absl::Now()), "", "");
    ASSERT_TRUE(created.ok()) << created.status();
  }
  v1::JobSpec TargetSpec(char digit) {
    v1::JobSpec spec;
    spec.mutable_target()->set_blob(Blob(digit));
    return spec;
  }
  void AddCheckpoint(char digit) {
    const auto job = store_->Update(kJob, [digit](JobChange& change) {
      AddEvent(change, absl::Now()).mutable_checkpoint()->set_blob(Blob(digit));
      return absl::OkStatus();
    });
    ASSERT_TRUE(job.ok()) << job.status();
  }
  void AddResult(char digit) {
    const auto job = store_->Update(kJob, [digit](JobChange& change) {
      change.job.mutable_result()->add_files()->set_blob(Blob(digit));
      *AddEvent(change, absl::Now()).mutable_result() = change.job.result();
      return absl::OkStatus();
    });
    ASSERT_TRUE(job.ok()) << job.status();
  }
  void Delete(const std::string& name) {
    ASSERT_TRUE(store_->Delete(name, [](JobChange&) { return absl::OkStatus(); }).ok());
  }
  bool Needs(char digit, const std::string& tenant = "default") {
    const auto needed = store_->NeedsBlob(tenant, Digest(digit));
    EXPECT_TRUE(needed.ok()) << needed.status();
    return needed.ok() && *needed;
  }

  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<SqliteJobStore> store_;
};

TEST_F(BlobReferencesTest, EveryInputIsNeeded) {
  v1::JobSpec spec;
  spec.mutable_model()->set_checkpoint(Blob('1'));
  spec.add_sources()->set_blob(Blob('2'));
  spec.add_sources()->set_blob(Blob('3'));
  spec.mutable_target()->set_blob(Blob('4'));
  spec.mutable_evaluation()->set_blob(Blob('5'));
  spec.add_inputs()->set_blob(Blob('6'));
  Create(kJob, spec);
  for (char digit = '1'; digit <= '6'; ++digit) EXPECT_TRUE(Needs(digit)) << digit;
  EXPECT_FALSE(Needs('7'));
  EXPECT_FALSE(Needs('1', "other"));
}

TEST_F(BlobReferencesTest, ABlobOfAnotherTenantIsNotKept) {
  v1::JobSpec spec;
  (*spec.mutable_labels())["note"] = Blob('1', "other");
  Create(kJob, spec);
  EXPECT_FALSE(Needs('1', "other"));
  EXPECT_FALSE(Needs('1'));
}

TEST_F(BlobReferencesTest, TheLastJobThatNeedsABlobCounts) {
  const std::string second = "tenants/default/jobs/two";
  Create(kJob, TargetSpec('1'));
  Create(second, TargetSpec('1'));
  Delete(kJob);
  EXPECT_TRUE(Needs('1'));
  Delete(second);
  EXPECT_FALSE(Needs('1'));
}

TEST_F(BlobReferencesTest, OfItsTrainingStatesAJobNeedsTheNewestUntilItHasAResult) {
  Create(kJob, TargetSpec('1'));
  AddCheckpoint('2');
  EXPECT_TRUE(Needs('2'));
  AddCheckpoint('3');
  EXPECT_FALSE(Needs('2'));
  EXPECT_TRUE(Needs('3'));
  Reopen();
  EXPECT_TRUE(Needs('3'));
  AddResult('4');
  EXPECT_FALSE(Needs('3'));
  EXPECT_TRUE(Needs('4'));
  EXPECT_TRUE(Needs('1'));
  Delete(kJob);
  EXPECT_FALSE(Needs('4'));
  EXPECT_FALSE(Needs('1'));
}

TEST_F(BlobReferencesTest, AChangeThatFailsNamesNothing) {
  Create(kJob, TargetSpec('1'));
  const auto refused = store_->Update(kJob, [](JobChange& change) {
    AddEvent(change, absl::Now()).mutable_checkpoint()->set_blob(Blob('2'));
    return absl::AbortedError("no");
  });
  EXPECT_TRUE(absl::IsAborted(refused.status()));
  EXPECT_FALSE(Needs('2'));
}

TEST_F(BlobReferencesTest, AStoreFromBeforeThereWereReferencesGetsThem) {
  Create(kJob, TargetSpec('1'));
  AddCheckpoint('2');
  AddCheckpoint('3');
  store_ = nullptr;
  fs::rename(folder_.File("jobs.sqlite"), folder_.File("new.sqlite"));
  {
    auto connection = Connection::Open(folder_.File("jobs.sqlite"), false);
    ASSERT_TRUE(connection.ok());
    ASSERT_TRUE((*connection)->Execute(kVersion1).ok());
    const absl::Status copied = (*connection)
                                    ->Execute(absl::StrCat("ATTACH '", folder_.File("new.sqlite"),
                                                           "' AS new;", kCopyFromNew));
    ASSERT_TRUE(copied.ok()) << copied;
  }
  Reopen();
  EXPECT_TRUE(Needs('1'));
  EXPECT_FALSE(Needs('2'));
  EXPECT_TRUE(Needs('3'));
}

TEST_F(BlobReferencesTest, DeletedJobsGiveTheirSpaceBack) {
  Reopen();
  const auto empty = fs::file_size(folder_.File("jobs.sqlite"));
  for (int i = 0; i < 200; ++i) {
    v1::JobSpec spec;
    (*spec.mutable_labels())["note"] = std::string(8000, 'x');
    Create(absl::StrCat("tenants/default/jobs/", i), spec);
  }
  for (int i = 0; i < 200; ++i) Delete(absl::StrCat("tenants/default/jobs/", i));
  Reopen();
  ASSERT_GT(fs::file_size(folder_.File("jobs.sqlite")), 10 * empty);
  int commits = 0;
  while (true) {
    const absl::StatusOr<bool> more = store_->ReleaseSpace();
    ASSERT_TRUE(more.ok()) << more.status();
    ++commits;
    if (!*more) break;
  }
  EXPECT_GT(commits, 1) << "in steps, between which others write";
  Reopen();
  EXPECT_LT(fs::file_size(folder_.File("jobs.sqlite")), 2 * empty);
}

}  // namespace
}  // namespace acclimate::jobs
