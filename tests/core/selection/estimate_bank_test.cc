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

// By as much as each estimator says that was lost.
BankRow Losing(const std::string& task, double drop, double truth) {
  BankRow row = Row(task, 0.9, 0.9 - drop, truth);
  row.cot = row.atc = row.dis2 = 0.9 - drop;
  return row;
}

// A task with many rows has no more say than one with few; of 14 tasks each end of the interval is
// the first from outside.
TEST(EstimateBank, WeighsTasksAlike) {
  std::vector<BankRow> rows;
  for (int task = 0; task < 14; ++task) {
    for (int i = 0; i <= task % 7; ++i) {
      rows.push_back(Losing("task" + std::to_string(task), 0.1, 0.8 + 0.01 * (task - 7)));
    }
  }
  const AccuracyInterval interval = EstimateBank(rows).IntervalFor(Losing("", 0.1, 0));
  EXPECT_NEAR(interval.low, 0.8 - 0.07, 1e-9);
  EXPECT_NEAR(interval.median, 0.8 - 0.01, 1e-9);
  EXPECT_NEAR(interval.high, 0.8 + 0.06, 1e-9);
}

// Fourteen tasks where little was lost and estimates are right, as many where much was lost and
// they are not.
TEST(EstimateBank, HearsTheTasksThatAreMostAlike) {
  std::vector<BankRow> rows;
  for (int task = 0; task < 14; ++task) {
    rows.push_back(Losing("near" + std::to_string(task), 0.02, 0.88));
    rows.push_back(Losing("far" + std::to_string(task), 0.4, 0.5 + 0.03 * (task - 7)));
  }
  const EstimateBank bank(rows);
  const AccuracyInterval small = bank.IntervalFor(Losing("", 0.03, 0));
  const AccuracyInterval large = bank.IntervalFor(Losing("", 0.35, 0));
  EXPECT_NEAR(small.high - small.low, 0, 1e-9);
  EXPECT_NEAR(small.median, 0.87, 1e-9);
  EXPECT_GT(large.high - large.low, 0.3);
}

// What is known of a record alone does not tell who is like whom.
TEST(EstimateBank, HearsAllTasksWhereLittleIsKnown) {
  std::vector<BankRow> rows;
  for (int task = 0; task < 20; ++task) {
    rows.push_back(Losing("near" + std::to_string(task), 0.1, 0.8));
    rows.push_back(Losing("far" + std::to_string(task), 0.4, 0.1));
  }
  BankRow asked = Losing("", 0.1, 0);
  const EstimateBank bank(rows);
  EXPECT_NEAR(bank.IntervalFor(asked).low, 0.8, 1e-9);
  asked.knowledge = Knowledge::kRecord;
  EXPECT_NEAR(bank.IntervalFor(asked).low, 0.4, 1e-9);
  asked.knowledge = Knowledge::kNothing;
  EXPECT_EQ(bank.IntervalFor(asked).high, 1);
}

TEST(EstimateBank, LeavesATaskOut) {
  const EstimateBank bank({Losing("a_b", 0, 0.1), Losing("c_d", 0, 0.9)});
  EXPECT_EQ(bank.Without("a_b").rows().size(), 1u);
  EXPECT_NEAR(bank.Without("a_b").IntervalFor(Losing("", 0, 0)).low, 0.9, 1e-12);
  EXPECT_NEAR(bank.IntervalFor(Losing("", 0, 0)).low, 0.1, 1e-12);
  EXPECT_EQ(bank.Without("").IntervalFor(Losing("", 0, 0)).low, 0.0);
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
