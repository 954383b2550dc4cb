#include "core/selection/estimate_bank.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace acclimate::selection {
namespace {

BankRow Row(const std::string& task, double accuracy_source, double estimate, double truth) {
  BankRow row;
  row.task = task;
  row.kind = "table";
  row.knowledge = Knowledge::kHeldOut;
  row.role = "adapted";
  row.method = "dann2";
  row.accuracy_source = accuracy_source;
  row.estimate = estimate;
  row.truth = truth;
  return row;
}

TEST(EstimateBank, IsReadAsItIsWritten) {
  std::vector<BankRow> rows = {Row("a_b", 0.95, 0.9, 0.8), Row("c_d", 0.9, 0.5, 0.25)};
  rows[1].knowledge = Knowledge::kNothing;
  rows[0].dis2 = 0.123;
  const EstimateBank bank = EstimateBank::Parse(ToCsv(rows)).value();
  ASSERT_EQ(bank.rows().size(), 2u);
  EXPECT_EQ(bank.rows()[0].task, "a_b");
  EXPECT_EQ(bank.rows()[0].knowledge, Knowledge::kHeldOut);
  EXPECT_EQ(bank.rows()[0].dis2, 0.123);
  EXPECT_EQ(bank.rows()[1].knowledge, Knowledge::kNothing);
  EXPECT_EQ(bank.rows()[1].truth, 0.25);
  EXPECT_EQ(ToCsv(bank.rows()), ToCsv(rows));
}

TEST(EstimateBank, NamesTheLineThatItCannotRead) {
  const std::string csv = ToCsv({Row("a", 1, 1, 1)});
  EXPECT_EQ(EstimateBank::Parse("task\n").status().code(), absl::StatusCode::kInvalidArgument);
  const absl::Status status = EstimateBank::Parse(csv + "b,table,held_out\n").status();
  EXPECT_NE(std::string(status.message()).find("line 3"), std::string::npos) << status;
}

// A task with many rows has no more say than one with few; of 101 tasks and the
// one asked about, each end of the interval is the fifth from outside.
TEST(EstimateBank, WeighsTasksAlike) {
  std::vector<BankRow> rows;
  for (int task = 0; task < 101; ++task) {
    const double truth = 0.5 + 0.001 * (task - 50);
    for (int i = 0; i <= task % 7; ++i) {
      rows.push_back(Row("task" + std::to_string(task), 0.5, 0.5, truth));
    }
  }
  const AccuracyInterval interval =
      EstimateBank(rows).IntervalFor(0.5, 0.0, 0.5, Knowledge::kHeldOut);
  EXPECT_NEAR(interval.low, 0.5 - 0.001 * 46, 1e-9);
  EXPECT_NEAR(interval.median, 0.5, 1e-9);
  EXPECT_NEAR(interval.high, 0.5 + 0.001 * 46, 1e-9);
}

TEST(EstimateBank, IsWiderWhereMoreWasLostOrEstimatorsDisagree) {
  const EstimateBank bank({Row("a", 0.9, 0.9, 0.87), Row("b", 0.9, 0.9, 0.93)});
  const AccuracyInterval small = bank.IntervalFor(0.6, 0.0, 0.6, Knowledge::kHeldOut);
  const AccuracyInterval large = bank.IntervalFor(0.6, 0.0, 0.9, Knowledge::kHeldOut);
  EXPECT_NEAR(small.high - small.low, 0.06, 1e-9);
  EXPECT_GT(large.high - large.low, 3 * (small.high - small.low));
  const AccuracyInterval disagreed = bank.IntervalFor(0.6, 0.4, 0.6, Knowledge::kHeldOut);
  EXPECT_NEAR(disagreed.high - disagreed.low, large.high - large.low, 1e-9);
}

TEST(EstimateBank, LeavesATaskOut) {
  const EstimateBank bank({Row("a_b", 0.9, 0.9, 0.1), Row("c_d", 0.9, 0.9, 0.9)});
  EXPECT_EQ(bank.Without("a_b").rows().size(), 1u);
  EXPECT_EQ(bank.Without("a_b").IntervalFor(0.9, 0.0, 0.9, Knowledge::kHeldOut).low, 0.9);
  EXPECT_EQ(bank.Without("").IntervalFor(0.9, 0.0, 0.9, Knowledge::kHeldOut).low, 0.0);
}

// What ships: enough tasks of each kind, and intervals that do not claim what cannot be known.
TEST(EstimateBank, ShipsWithEnoughTasks) {
  std::set<std::string> tasks, kinds;
  for (const BankRow& row : EstimateBank::Shipped().rows()) {
    tasks.insert(row.task);
    kinds.insert(row.kind);
  }
  EXPECT_GE(tasks.size(), 15u);
  EXPECT_EQ(kinds, (std::set<std::string>{"image", "series", "table", "text"}));
}

}  // namespace
}  // namespace acclimate::selection
