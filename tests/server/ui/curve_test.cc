#include "server/ui/curve.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/ui/status_json.h"
#include "tests/server/ui/job_factory.h"

namespace acclimate::ui {
namespace {

constexpr char kJob[] = "tenants/a/jobs/1";

class CurveTest : public testing::Test {
 protected:
  CurveTest() { factory_.Run(kJob); }

  Curve Read(int64_t after = 0) {
    const auto curve = ReadCurve(factory_.store(), *factory_.store().Get(kJob), after);
    EXPECT_TRUE(curve.ok()) << curve.status();
    return curve.ok() ? *curve : Curve();
  }
  // A long history in one transaction: `steps` points, the loss 1/step, and a metric that is
  // measured at a tenth of the steps and stays until it is measured again.
  void AddHistory(int steps) {
    factory_.Change(kJob, [&](jobs::JobChange& change) {
      v1::Progress progress;
      progress.set_phase("training");
      for (int step = 1; step <= steps; ++step) {
        progress.set_step(step);
        (*progress.mutable_metrics())["loss"] = 1.0 / step;
        if (step % (steps / 10) == 0) (*progress.mutable_metrics())["score"] = step;
        jobs::AddProgress(change, progress, absl::Now());
      }
      return absl::OkStatus();
    });
  }

  const TemporaryFolder folder_;
  JobFactory factory_{folder_};
};

TEST_F(CurveTest, HasNoSeriesBeforeTheFirstStep) {
  const Curve curve = Read();
  EXPECT_TRUE(curve.series.empty());
  EXPECT_EQ(curve.attempt, 1);
  EXPECT_EQ(curve.cursor, factory_.store().Get(kJob)->last_cursor());
}

TEST_F(CurveTest, GoesOnBehindItsCursor) {
  factory_.Progress(kJob, 1, 0.5);
  factory_.Progress(kJob, 2, 0.4);
  const Curve first = Read();
  factory_.Progress(kJob, 3, 0.3);
  const Curve second = Read(first.cursor);
  EXPECT_EQ(nlohmann::json::parse(ToJson(first))["series"].dump(), R"({"loss":[[1,0.5],[2,0.4]]})");
  EXPECT_EQ(nlohmann::json::parse(ToJson(second))["series"].dump(), R"({"loss":[[3,0.3]]})");
  EXPECT_TRUE(Read(second.cursor).series.empty());
  EXPECT_EQ(Read(second.cursor + 100).cursor, second.cursor + 100);
}

TEST_F(CurveTest, LeavesOutWhatIsNoNumber) {
  factory_.Progress(kJob, 1, std::nan(""));
  factory_.Progress(kJob, 2, INFINITY);
  factory_.Progress(kJob, 3, 0.3);
  EXPECT_EQ(Read().series.at("loss").size(), 1u);
}

TEST_F(CurveTest, BeginsAnewWithEachAttempt) {
  factory_.Progress(kJob, 900, 0.5);
  jobs::AttemptOutcome lost;
  lost.cause = v1::ATTEMPT_CAUSE_LOST;
  lost.error = absl::UnavailableError("lost");
  factory_.End(kJob, lost, absl::Now(), jobs::RetryPolicy());
  factory_.Change(kJob, [](jobs::JobChange& change) {
    return jobs::BeginAttempt(change, "node-1", absl::Now());
  });
  factory_.Progress(kJob, 1, 0.7);
  const Curve curve = Read();
  EXPECT_EQ(curve.attempt, 2);
  ASSERT_EQ(curve.series.at("loss").size(), 1u);
  EXPECT_EQ(curve.series.at("loss")[0].step, 1);
}

TEST_F(CurveTest, ALongHistoryIsThinnedFromEndToEnd) {
  constexpr int kSteps = 20000;
  AddHistory(kSteps);
  const Curve curve = Read();
  const std::vector<CurvePoint>& loss = curve.series.at("loss");
  EXPECT_LE(loss.size(), static_cast<size_t>(kMaxCurvePoints));
  EXPECT_GT(loss.size(), static_cast<size_t>(kMaxCurvePoints / 2));
  EXPECT_LE(loss.front().step, 10);
  EXPECT_EQ(loss.back().step, kSteps);
  for (size_t i = 1; i < loss.size(); ++i) {
    EXPECT_GT(loss[i].step, loss[i - 1].step);
    EXPECT_LT(loss[i].step - loss[i - 1].step, kSteps / 50);
  }
  // None of what was rarely measured is lost.
  EXPECT_EQ(curve.series.at("score").size(), 10u);
}

TEST_F(CurveTest, AMiddlingHistoryIsReadInFullAndThinned) {
  AddHistory(900);
  const std::vector<CurvePoint> loss = Read().series.at("loss");
  EXPECT_EQ(loss.size(), static_cast<size_t>(kMaxCurvePoints));
  EXPECT_EQ(loss.front().step, 1);
  EXPECT_EQ(loss.back().step, 900);
}

TEST_F(CurveTest, ShowsABoundedNumberOfMetrics) {
  factory_.Change(kJob, [](jobs::JobChange& change) {
    v1::Progress progress;
    for (int i = 0; i < 100; ++i) (*progress.mutable_metrics())[std::to_string(i)] = i;
    jobs::AddProgress(change, progress, absl::Now());
    return absl::OkStatus();
  });
  EXPECT_EQ(Read().series.size(), static_cast<size_t>(kMaxCurveSeries));
}

}  // namespace
}  // namespace acclimate::ui
