#include "server/jobs/event_compaction.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "server/base/proto_time.h"
#include "server/jobs/job_change.h"
#include "server/jobs/sqlite_job_store.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::jobs {
namespace {

constexpr char kEndedJob[] = "tenants/default/jobs/a";
const absl::Time kEnd = absl::UnixEpoch() + absl::Hours(1000);

class EventCompactionTest : public testing::Test {
 protected:
  EventCompactionTest() { Reopen(); }

  void Reopen() {
    store_ = nullptr;
    store_ = *SqliteJobStore::Open(folder_.File("jobs.sqlite"), &metrics_);
  }
  void Update(const JobStore::Mutation& mutation) {
    const auto job = store_->Update(kEndedJob, mutation);
    ASSERT_TRUE(job.ok()) << job.status();
  }
  // Of two phases, with a warning after every 1000th.
  void MakeJob(int points, bool ended = true) {
    ASSERT_TRUE(store_->Create(NewJob(kEndedJob, {}, kEnd), "", "").ok());
    Update([&](JobChange& change) {
      for (int i = 0; i < points; ++i) {
        v1::Progress progress;
        progress.set_phase(i < points / 2 ? "first" : "second");
        progress.set_step(i);
        AddProgress(change, progress, kEnd);
        if (i % 1000 == 999) AddEvent(change, kEnd).set_warning(absl::StrCat("at ", i));
      }
      if (!ended) return absl::OkStatus();
      const absl::Status status = Cancel(change, kEnd);
      *change.job.mutable_end_time() = ToProtoTimestamp(kEnd);
      return status;
    });
  }
  int Compact(absl::Time horizon = kEnd + absl::Seconds(1)) {
    int steps = 0;
    while (true) {
      const absl::StatusOr<bool> more = store_->CompactEvents(horizon);
      EXPECT_TRUE(more.ok()) << more.status();
      if (!more.ok() || !*more) return steps;
      ++steps;
    }
  }
  std::vector<v1::JobEvent> Events(int64_t after = 0) {
    return *store_->Events(kEndedJob, {.after = after});
  }
  int64_t LastCursor() { return store_->Get(kEndedJob)->last_cursor(); }

  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<SqliteJobStore> store_;
};

int64_t FirstCursor(const v1::JobEvent& event) {
  return event.has_dropped() ? event.dropped().first_cursor() : event.cursor();
}

std::vector<std::string> OtherThanPoints(const std::vector<v1::JobEvent>& events) {
  std::vector<std::string> others;
  for (const v1::JobEvent& event : events) {
    if (!event.has_progress() && !event.has_dropped()) others.push_back(event.SerializeAsString());
  }
  return others;
}

TEST_F(EventCompactionTest, LeavesEvenlySpacedPointsAndEveryOtherEvent) {
  MakeJob(10'000);
  const std::vector<v1::JobEvent> before = Events();
  EXPECT_GT(Compact(), 1) << "a little at a time";
  const std::vector<v1::JobEvent> after = Events();
  EXPECT_EQ(OtherThanPoints(after), OtherThanPoints(before));
  std::vector<int64_t> steps;
  for (const v1::JobEvent& event : after) {
    if (event.has_progress()) steps.push_back(event.progress().step());
  }
  EXPECT_GT(steps.size(), 900u);
  EXPECT_LT(steps.size(), 1100u);
  EXPECT_EQ(steps.front(), 0);
  EXPECT_EQ(steps.back(), 9'999);
  EXPECT_TRUE(std::set<int64_t>(steps.begin(), steps.end()).count(4'999)) << "the last of a phase";
  for (size_t i = 1; i < steps.size(); ++i) EXPECT_LE(steps[i] - steps[i - 1], 20) << steps[i];
}

TEST_F(EventCompactionTest, NoCursorSeesAGap) {
  MakeJob(5'000);
  Compact();
  for (int64_t cursor = 0; cursor <= LastCursor(); cursor += 7) {
    int64_t seen = cursor;
    for (const v1::JobEvent& event : Events(cursor)) {
      ASSERT_LE(FirstCursor(event), seen + 1) << "from " << cursor;
      ASSERT_GT(event.cursor(), seen) << "from " << cursor;
      seen = event.cursor();
    }
    ASSERT_EQ(seen, LastCursor());
  }
}

TEST_F(EventCompactionTest, GoesOnInAnotherProcess) {
  MakeJob(10'000);
  ASSERT_TRUE(*store_->CompactEvents(absl::InfiniteFuture()));
  Reopen();
  Compact();
  EXPECT_LT(Events().size(), 2'200u);
  EXPECT_EQ(Compact(), 0) << "once is enough";
}

TEST_F(EventCompactionTest, WaitsUntilTheJobHasEndedLongEnough) {
  MakeJob(10'000);
  const size_t before = Events().size();
  EXPECT_EQ(Compact(kEnd), 0);
  EXPECT_EQ(Events().size(), before);
  EXPECT_GT(Compact(), 0);
}

TEST_F(EventCompactionTest, LeavesOthersAlone) {
  MakeJob(10'000, /*ended=*/false);
  const size_t before = Events().size();
  EXPECT_EQ(Compact(absl::InfiniteFuture()), 0);
  EXPECT_EQ(Events().size(), before);
}

TEST_F(EventCompactionTest, AShortHistoryStaysWhole) {
  MakeJob(1'500);
  const size_t before = Events().size();
  Compact();
  EXPECT_EQ(Events().size(), before);
}

}  // namespace
}  // namespace acclimate::jobs
