// Jobs over CSV files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "absl/strings/str_cat.h"
#include "core/job/run.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::NewFolder;
using ::testing::Not;
using testing::OpenFile;
using testing::ReadText;
using testing::TestObserver;

std::string WriteCsv(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  return path;
}

// 200 rows whose colour and size tell their kind. `without`: no label column.
std::string Animals(uint64_t seed, bool without = false) {
  std::mt19937_64 random(seed);
  std::string text = without ? "size,colour\n" : "colour,size,kind\n";
  for (int i = 0; i < 200; ++i) {
    const bool big = random() % 2 == 0, dark = random() % 2 == 0;
    const std::string size = absl::StrCat((big ? 5000 : 3000) + static_cast<int>(random() % 500));
    const std::string colour = dark ? "black" : random() % 2 == 0 ? "white" : "grey";
    const char* const kind = big ? "horse" : dark ? "cat" : "sheep";
    absl::StrAppend(&text, without ? absl::StrCat(size, ",", colour, "\n")
                                   : absl::StrCat(colour, ",", size, ",", kind, "\n"));
  }
  return text;
}

RunSpec TrainingOnAnimals(const std::string& name) {
  RunSpec spec;
  spec.method = "finetune";
  spec.architecture = "mlp";
  spec.output_directory = NewFolder(name);
  spec.target = OpenFile(WriteCsv(spec.output_directory + "/train.csv", Animals(1)));
  spec.table.label_column = "kind";
  spec.hyperparameters = {{"epochs", int64_t{20}}, {"batch_size", int64_t{16}}};
  return spec;
}

std::string TableJobError(const RunSpec& spec) {
  TestObserver observer;
  return std::string(job::Run(spec, observer).status().message());
}

TEST(TableJobTest, TheCodingAndTheClassesTravelWithTheModel) {
  const RunSpec train = TrainingOnAnimals("animals");
  TestObserver observer;
  ASSERT_TRUE(job::Run(train, observer).ok());
  const json lineage = json::parse(ReadText(train.output_directory + "/lineage.json"));
  EXPECT_EQ(lineage["class_names"], json({"cat", "horse", "sheep"}));
  EXPECT_EQ(lineage["table"]["columns"][0]["categories"], json({"black", "grey", "white"}));
  EXPECT_EQ(lineage["normalization"]["mean"].size(), 4u);

  RunSpec evaluate;
  evaluate.method = "evaluate";
  evaluate.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  evaluate.output_directory = NewFolder("evaluated_animals");
  // Columns in another order, and only two of the classes.
  std::string text = "kind,size,colour\n";
  for (int i = 0; i < 20; ++i) absl::StrAppend(&text, "sheep,3100,white\nhorse,5200,black\n");
  evaluate.target = OpenFile(WriteCsv(evaluate.output_directory + "/eval.csv", text));
  TestObserver quiet;
  const absl::StatusOr<RunResult> result = job::Run(evaluate, quiet);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("accuracy"), 0.95);
  EXPECT_THAT(quiet.warnings, Each(Not(HasSubstr("eval.csv"))));
  const json report = json::parse(ReadText(evaluate.output_directory + "/report.json"));
  EXPECT_EQ(report["class_names"], json({"cat", "horse", "sheep"}));

  evaluate.target =
      OpenFile(WriteCsv(evaluate.output_directory + "/bird.csv", "kind,size,colour\nbird,1,red\n"));
  EXPECT_THAT(TableJobError(evaluate),
              HasSubstr("bird.csv: line 2: the label \"bird\" is none of the model's "
                        "classes: cat, horse, sheep"));
  evaluate.target = OpenFile(
      WriteCsv(evaluate.output_directory + "/unlabelled.csv", "size,colour\n1,red\n2,red\n"));
  EXPECT_THAT(TableJobError(evaluate), HasSubstr("has no labels: there is no value in a column "
                                                 "\"kind\"; its columns are size, colour"));
}

TEST(TableJobTest, AdaptsToATableWithoutLabels) {
  const RunSpec train = TrainingOnAnimals("animals_source");
  TestObserver observer;
  ASSERT_TRUE(job::Run(train, observer).ok());
  RunSpec adapt;
  adapt.method = "dann";
  adapt.hyperparameters = {{"steps", int64_t{5}}};
  adapt.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  adapt.output_directory = NewFolder("adapted_animals");
  adapt.sources = {train.target};
  adapt.target =
      OpenFile(WriteCsv(adapt.output_directory + "/target.csv", Animals(2, /*without=*/true)));
  const absl::StatusOr<RunResult> result = job::Run(adapt, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  // The adapted model keeps the coding.
  const json lineage = json::parse(ReadText(adapt.output_directory + "/lineage.json"));
  EXPECT_EQ(lineage["table"]["label_column"], "kind");
}

TEST(TableJobTest, LabelsThatNobodyNeedsStopNoJob) {
  const RunSpec train = TrainingOnAnimals("animals_labels");
  TestObserver observer;
  ASSERT_TRUE(job::Run(train, observer).ok());
  RunSpec adapt;
  adapt.method = "adabn";
  adapt.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  adapt.output_directory = NewFolder("strange_labels");
  std::string text = "size,colour,kind\n";
  for (int i = 0; i < 40; ++i) absl::StrAppend(&text, 3000 + i, ",white,unknown\n");
  adapt.target = OpenFile(WriteCsv(adapt.output_directory + "/target.csv", text));
  TestObserver warned;
  const absl::StatusOr<RunResult> result = job::Run(adapt, warned);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(warned.warnings, Contains(HasSubstr("\"unknown\" is none of the model's classes: "
                                                  "cat, horse, sheep; its labels are not used")));
}

TEST(TableJobTest, LabelsNeedTheirColumn) {
  RunSpec train = TrainingOnAnimals("animals_unnamed");
  train.table.label_column.clear();
  EXPECT_THAT(TableJobError(train),
              HasSubstr("train.csv: has no labels: name their column as label_column; its "
                        "columns are colour, size, kind"));
}

}  // namespace
}  // namespace acclimate::job
