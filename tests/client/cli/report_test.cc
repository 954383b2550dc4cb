#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "client/cli/report_file.h"
#include "client/cli/report_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ReportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "acclimate_report_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  absl::StatusOr<Json> Read(const std::string& text) const {
    std::ofstream(folder_ + "/report.json") << text;
    return ReadReport(folder_);
  }

  std::string folder_;
};

// A sentence, a table and a race.
Json Example() {
  return Json::parse(R"({
    "schema_version": 2, "method": "auto", "steps": 84, "seconds": {"training": 12.5},
    "verdict": "auto, by shot, raised the accuracy from 61.3 % to 88.0 %, measured on 150 labelled samples.",
    "source_only": {"accuracy": 0.613, "per_class_accuracy": [0.5, null]},
    "adapted": {"accuracy": 0.88, "per_class_accuracy": [0.9, null]},
    "metrics": {"estimated_accuracy": 0.86, "estimated_accuracy_low": 0.79,
                "estimated_accuracy_high": 0.91},
    "cost": {"core_seconds": 13.1, "peak_bytes": 1048576, "labels": 0,
             "training_anew": {"labels": 90, "core_seconds": 26.2, "share_of_core_seconds": 0.5,
                               "break_even_per_label": 0.25}},
    "race": {"why": "shot beat dann", "winner": "shot",
             "dropped": [{"method": "tent", "reason": "it needs batch-norm layers"}],
             "rounds": [{"share_of_plan": 0.5, "racers": [
               {"method": "shot", "failed": false, "goes_on": true, "ensemble": 0.8,
                "best": {"estimated_accuracy": 0.86}},
               {"method": "dann", "failed": true, "goes_on": false}]}]}})");
}

TEST_F(ReportTest, RanksCheckpointsWhereThereAreSeveral) {
  Json diagnosis = Json::parse(R"({
    "verdict": {"sentence": "No shift.", "methods_that_fit": [], "methods_that_cannot": [],
                "ben_david": {"source_error": 0.1, "divergence": 0.2, "cannot_be_known": []}},
    "matrix": {"measures": [], "places": [], "values": []},
    "transferability": {"meaning": "higher is better", "models": [
      {"model": "checkpoint", "logme": 0.5, "leep": -1.2, "nce": -0.7, "h_score": 9.0,
       "transrate": null},
      {"model": "candidate_1", "logme": 0.7, "leep": -1.1, "nce": -0.4, "h_score": 9.0,
       "transrate": 81.0}]}})");
  const std::string text = DiagnosisText(diagnosis).value();
  EXPECT_THAT(text, HasSubstr("higher is better\nmodel         logme     leep"));
  EXPECT_LT(text.find("candidate_1"), text.find("\ncheckpoint")) << text;
  diagnosis["transferability"]["models"].erase(1);
  EXPECT_EQ(DiagnosisText(diagnosis)->find("logme"), std::string::npos);
  diagnosis["transferability"]["models"] = "none";
  EXPECT_EQ(DiagnosisText(diagnosis).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ReportTest, PrintsWhatIsThereInEightyColumns) {
  const absl::StatusOr<std::string> text = ReportText(Example());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, StartsWith("auto, by shot, raised the accuracy from 61.3 % to 88.0 %,"));
  EXPECT_THAT(*text, HasSubstr("measured after     88.0 %"));
  EXPECT_THAT(*text, HasSubstr("estimated after    86.0 %  79.0 %  91.0 %"));
  EXPECT_THAT(*text, HasSubstr("1           -       -"));
  EXPECT_THAT(*text, HasSubstr("dann         50.0 %       -                   -  diverged"));
  EXPECT_THAT(*text, HasSubstr("tent: it needs batch-norm layers"));
  EXPECT_THAT(*text, HasSubstr("cost: 12.5 s, 13.1 core seconds, 1.0 MiB at most, 84 steps"));
  EXPECT_THAT(*text, HasSubstr("26.2 core seconds (this run: 50 %"));
  EXPECT_THAT(*text, HasSubstr("where a label costs more than 0.25 core seconds"));
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST_F(ReportTest, PrintsAnAudit) {
  Json report = Example();
  report["audit"] = Json::parse(R"({"labels": 100, "population": 2000,
    "source": {"value": 0.62, "low": 0.54, "high": 0.7},
    "returned": {"value": 0.81, "low": 0.75, "high": 0.87},
    "gain": {"value": 0.19, "low": 0.112, "high": 0.268}})");
  const std::string text = ReportText(report).value();
  EXPECT_THAT(text, HasSubstr("audited before     62.0 %  54.0 %  70.0 %"));
  EXPECT_THAT(text, HasSubstr("audited gain       19.0 %  11.2 %  26.8 %"));
}

TEST_F(ReportTest, OfManyClassesTheWorst) {
  Json report = Example();
  for (const char* key : {"source_only", "adapted"}) {
    report[key]["per_class_accuracy"] = std::vector<double>(1000, 1.0);
  }
  report["adapted"]["per_class_accuracy"][777] = 0.25;
  const absl::StatusOr<std::string> text = ReportText(report);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, HasSubstr("\n777    100.0 %   25.0 %\n0      100.0 %  100.0 %\n"));
  EXPECT_LT(std::count(text->begin(), text->end(), '\n'), 45);
}

TEST_F(ReportTest, ClassesHaveTheirNames) {
  Json report = Example();
  report["class_names"] = {"cat", "dog"};
  EXPECT_THAT(ReportText(report).value(), HasSubstr("\ndog         -       -\n"));
}

TEST_F(ReportTest, AFieldOfAnotherFormIsDataLoss) {
  Json report = Example();
  report["race"]["rounds"] = "none";
  EXPECT_EQ(ReportText(report).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ReportTest, ReadsBothVersions) {
  EXPECT_TRUE(Read(R"({"schema_version": 1})").ok());
  EXPECT_TRUE(Read(R"({"schema_version": 2})").ok());
}

TEST_F(ReportTest, SaysWhatIsWrongWithTheFile) {
  const absl::Status nowhere = ReadReport(folder_ + "/nowhere").status();
  EXPECT_EQ(nowhere.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(nowhere.message()), HasSubstr("nowhere: no such folder"));
  EXPECT_THAT(std::string(ReadReport(folder_).status().message()),
              HasSubstr("report.json: not there"));
  EXPECT_THAT(std::string(Read(R"({"a": })").status().message()), HasSubstr("not JSON at byte 7"));
  EXPECT_THAT(std::string(Read("[]").status().message()), HasSubstr("no JSON object"));
  EXPECT_THAT(std::string(Read("{}").status().message()), HasSubstr("has no schema_version"));
  EXPECT_THAT(std::string(Read(R"({"schema_version": 3})").status().message()),
              HasSubstr("is of schema version 3; this program reads 1 to 2"));
}

}  // namespace
}  // namespace acclimate::cli
