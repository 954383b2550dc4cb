#include "server/jobs/sqlite_job_store.h"

#include <linux/magic.h>

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/jobs/job_change.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::jobs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Name(const std::string& id) { return "tenants/default/jobs/" + id; }

// Sets the state and tells of it, whatever the table says.
JobStore::Mutation SetState(v1::JobState state) {
  return [state](JobChange& change) {
    change.job.set_state(state);
    AddEvent(change, absl::Now()).mutable_state()->set_to(state);
    return absl::OkStatus();
  };
}

class SqliteJobStoreTest : public testing::Test {
 protected:
  SqliteJobStoreTest() { Reopen(); }

  std::unique_ptr<SqliteJobStore> OpenIn(const std::string& folder) {
    auto store = SqliteJobStore::Open(folder + "/jobs.sqlite", &metrics_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  void Reopen() {
    store_ = nullptr;
    store_ = OpenIn(folder_.path());
  }

  v1::Job Create(const std::string& id, const v1::JobSpec& spec = {}) {
    auto created = store_->Create(NewJob(Name(id), spec, absl::Now()), "", "");
    EXPECT_TRUE(created.ok()) << created.status();
    return created->job;
  }
  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<SqliteJobStore> store_;
};

TEST_F(SqliteJobStoreTest, WhatWasAnsweredSurvivesAKill) {
  for (int i = 0; i < 20; ++i) Create(absl::StrCat("job", i));
  const TemporaryFolder crashed;
  fs::copy(folder_.path(), crashed.path());
  const auto recovered = OpenIn(crashed.path());
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(recovered->Get(Name(absl::StrCat("job", i))).ok()) << i;
  }
}

TEST_F(SqliteJobStoreTest, ATornLogNeverPartsAJobFromItsEvents) {
  Create("a");
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        store_
            ->Update(Name("a"), SetState(i % 2 == 0 ? v1::JOB_STATE_RUNNING : v1::JOB_STATE_QUEUED))
            .ok());
  }
  constexpr int kCuts = 24;
  const auto log_bytes = fs::file_size(folder_.File("jobs.sqlite-wal"));
  std::set<int64_t> histories;
  for (int cut = 0; cut <= kCuts; ++cut) {
    const TemporaryFolder crashed;
    fs::copy(folder_.File("jobs.sqlite"), crashed.File("jobs.sqlite"));
    fs::copy(folder_.File("jobs.sqlite-wal"), crashed.File("jobs.sqlite-wal"));
    fs::resize_file(crashed.File("jobs.sqlite-wal"), log_bytes * cut / kCuts);
    const auto recovered = OpenIn(crashed.path());
    ASSERT_NE(recovered, nullptr) << cut;
    const auto job = recovered->Get(Name("a"));
    const auto events = *recovered->Events(Name("a"), {});
    if (!job.ok()) {
      EXPECT_THAT(events, IsEmpty());
      continue;
    }
    histories.insert(job->last_cursor());
    ASSERT_EQ(static_cast<int64_t>(events.size()), job->last_cursor());
    for (size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].cursor(), static_cast<int64_t>(i) + 1);
    }
    EXPECT_EQ(events.back().state().to(), job->state());
  }
  EXPECT_EQ(*histories.rbegin(), 11);  // the whole log holds all
  EXPECT_GT(histories.size(), 5u);     // and the cuts fell between the changes
}

TEST_F(SqliteJobStoreTest, AFileOfANewerProgramIsRefused) {
  store_ = nullptr;
  auto connection = Connection::Open(folder_.File("jobs.sqlite"), false);
  ASSERT_TRUE((*connection)->Execute("PRAGMA user_version=1000").ok());
  const auto store = SqliteJobStore::Open(folder_.File("jobs.sqlite"), &metrics_);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("1000"));
}

TEST_F(SqliteJobStoreTest, AFileThatIsNoDatabaseIsDamage) {
  const std::string path = folder_.Write("other.sqlite", std::string(8192, 'x'));
  EXPECT_EQ(SqliteJobStore::Open(path, &metrics_).status().code(), absl::StatusCode::kDataLoss);
}

TEST(IsNetworkFileSystemTest, KnowsThoseWhoseLocksDoNotHold) {
  for (int64_t type : {int64_t{NFS_SUPER_MAGIC}, int64_t{SMB2_SUPER_MAGIC},
                       int64_t{CIFS_SUPER_MAGIC}, int64_t{AFS_SUPER_MAGIC}}) {
    EXPECT_TRUE(IsNetworkFileSystem(type)) << type;
  }
  for (int64_t type :
       {int64_t{EXT4_SUPER_MAGIC}, int64_t{XFS_SUPER_MAGIC}, int64_t{BTRFS_SUPER_MAGIC},
        int64_t{TMPFS_MAGIC}, int64_t{OVERLAYFS_SUPER_MAGIC}}) {
    EXPECT_FALSE(IsNetworkFileSystem(type)) << type;
  }
}

}  // namespace
}  // namespace acclimate::jobs
