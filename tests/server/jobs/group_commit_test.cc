#include "server/jobs/group_commit.h"

#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/barrier.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class GroupCommitTest : public testing::Test {
 protected:
  GroupCommitTest() {
    EXPECT_TRUE(Open(false)->Execute("PRAGMA journal_mode=WAL; CREATE TABLE t (x INTEGER)").ok());
    commit_ = std::make_unique<GroupCommit>(Open(false), &metrics_);
  }

  std::unique_ptr<Connection> Open(bool read_only) {
    auto connection = Connection::Open(folder_.File("db"), read_only);
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }

  static absl::Status Insert(Connection& connection, int64_t x) {
    Statement statement = connection.Prepare("INSERT INTO t VALUES (?)");
    statement.Bind(x);
    return statement.Run();
  }

  // As another process sees them: what is not committed is not there.
  std::vector<int64_t> Rows() {
    std::unique_ptr<Connection> reader = Open(true);
    Statement statement = reader->Prepare("SELECT x FROM t ORDER BY x");
    std::vector<int64_t> rows;
    while (*statement.Step()) rows.push_back(statement.Integer(0));
    return rows;
  }

  // How many commits there were, and how many changes they held.
  std::pair<int, int> Observed() {
    std::pair<int, int> observed;
    for (const auto& collectable : metrics_.Collectables()) {
      for (const prometheus::MetricFamily& family : collectable->Collect()) {
        if (family.name == "acclimate_store_commit_seconds") {
          observed.first = static_cast<int>(family.metric[0].histogram.sample_count);
        }
        if (family.name == "acclimate_store_changes_total") {
          observed.second = static_cast<int>(family.metric[0].counter.value);
        }
      }
    }
    return observed;
  }

  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<GroupCommit> commit_;
};

TEST_F(GroupCommitTest, WhatReturnedIsCommitted) {
  for (int64_t x = 1; x <= 3; ++x) {
    ASSERT_TRUE(commit_->Run([x](Connection& c) { return Insert(c, x); }).ok());
    EXPECT_EQ(Rows().back(), x);
  }
  EXPECT_EQ(Observed(), std::make_pair(3, 3));
}

TEST_F(GroupCommitTest, ARefusedChangeIsUndoneAndItsErrorReturned) {
  EXPECT_EQ(commit_->Run([](Connection& c) {
    EXPECT_TRUE(Insert(c, 1).ok());
    return absl::AlreadyExistsError("taken");
  }),
            absl::AlreadyExistsError("taken"));
  EXPECT_THAT(Rows(), IsEmpty());
}

TEST_F(GroupCommitTest, ReadingIsNoCommit) {
  ASSERT_TRUE(commit_->Run([](Connection& c) { return c.Execute("SELECT * FROM t"); }).ok());
  EXPECT_EQ(Observed(), std::make_pair(0, 0));
}

// Those who wait for the disk together go to it together; one that is refused harms no other.
TEST_F(GroupCommitTest, WaitingChangesShareACommitButNotTheirErrors) {
  constexpr int kThreads = 8, kMaxRounds = 1000;
  std::vector<int64_t> expected;
  bool grouped = false;
  for (int round = 0; round < kMaxRounds && !grouped; ++round) {
    const auto [commits_before, changes_before] = Observed();
    auto* start = new absl::Barrier(kThreads);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      const int64_t x = round * kThreads + i;
      if (i % 2 == 0) expected.push_back(x);
      threads.emplace_back([this, start, x, i] {
        if (start->Block()) delete start;
        const absl::Status status = commit_->Run([x, i](Connection& c) {
          absl::Status inserted = Insert(c, x);
          return i % 2 == 0 ? inserted : absl::CancelledError("refused");
        });
        EXPECT_EQ(status.ok(), i % 2 == 0) << status;
      });
    }
    for (std::thread& thread : threads) thread.join();
    const auto [commits, changes] = Observed();
    grouped = commits - commits_before < changes - changes_before;
  }
  EXPECT_TRUE(grouped) << "every change had a commit of its own";
  EXPECT_EQ(Rows(), expected);
}

TEST_F(GroupCommitTest, ACommitThatDidNotHappenIsNoSuccess) {
  // The transaction ends under the change, as it does when SQLite rolls it back for a full disk.
  EXPECT_FALSE(commit_
                   ->Run([](Connection& c) {
                     EXPECT_TRUE(Insert(c, 1).ok());
                     return c.Execute("ROLLBACK");
                   })
                   .ok());
  EXPECT_THAT(Rows(), IsEmpty());
  EXPECT_TRUE(commit_->Run([](Connection& c) { return Insert(c, 2); }).ok());
  EXPECT_THAT(Rows(), ElementsAre(2));
}

TEST_F(GroupCommitTest, AFullDiskIsNamedAndTheNextChangeWorks) {
  const absl::Status full = commit_->Run([](Connection& c) {
    EXPECT_TRUE(c.Execute("PRAGMA max_page_count=4").ok());
    return c.Execute("INSERT INTO t VALUES (zeroblob(1000000))");
  });
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_TRUE(commit_->Run([](Connection& c) { return Insert(c, 1); }).ok());
  EXPECT_THAT(Rows(), ElementsAre(1));
}

}  // namespace
}  // namespace acclimate::jobs
