#include "core/job/run.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using ::testing::Contains;
using testing::Domain;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MakeDomain;
using testing::NewFolder;
using ::testing::Not;
using testing::OpenFile;
using testing::ReadTensors;
using testing::ReadText;
using testing::Shifted;
using testing::TestObserver;
using testing::World;
using testing::WriteDomain;

const World& Vectors() {
  static const auto* const kWorld = new World("run_test", "mlp", {12});
  return *kWorld;
}

absl::Status RunStatus(const RunSpec& spec) {
  TestObserver observer;
  return job::Run(spec, observer).status();
}

std::string Reason(const RunSpec& spec) {
  const absl::Status status = RunStatus(spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(RunTest, AdaptsAndReports) {
  RunSpec spec = Vectors().Spec("adabn");
  spec.lineage = {{"checkpoint", "sha256:aa"}, {"target", "sha256:bb"}};
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outcome, RunResult::Outcome::kFinished);
  EXPECT_THAT(result->files,
              ElementsAre("model.safetensors", "changed.safetensors", "lineage.json",
                          "probabilities.safetensors", "report.json", "report.html"));
  EXPECT_THAT(observer.phases, ElementsAre("loading_data", "loading_model", "preparing", "training",
                                           "evaluating", "saving"));
  EXPECT_GT(result->metrics.at("accuracy"), result->metrics.at("source_accuracy") + 0.1);

  const json report = json::parse(ReadText(spec.output_directory + "/report.json"));
  EXPECT_EQ(report["schema_version"], 2);
  EXPECT_EQ(report["method"], "adabn");
  EXPECT_EQ(report["hyperparameters"]["alpha"], 1.0);
  EXPECT_EQ(report["adapted"]["accuracy"], result->metrics.at("accuracy"));
  EXPECT_EQ(report["adapted"]["per_class_accuracy"].size(), 3u);
  EXPECT_EQ(report["source_only"]["confusion_matrix"].size(), 3u);
  EXPECT_EQ(report["adapted"]["calibration"]["bins"].size(), 10u);
  EXPECT_THAT(std::string(report["verdict"]), HasSubstr("adabn raised the accuracy from"));
  EXPECT_EQ(report["lineage"]["inputs"]["target"], "sha256:bb");
  EXPECT_EQ(report["samples"]["target"], 90);
  const json& cost = report["cost"];
  EXPECT_GT(cost["peak_bytes"], 0);
  EXPECT_EQ(cost["labels"], 0);
  const json& anew = cost["training_anew"];
  EXPECT_EQ(anew["labels"], 90);
  EXPECT_EQ(anew["samples_seen"], 32000);
  EXPECT_GT(anew["core_seconds"], 0);
  EXPECT_DOUBLE_EQ(anew["share_of_core_seconds"],
                   cost["core_seconds"].get<double>() / anew["core_seconds"].get<double>());
  const double more = cost["core_seconds"].get<double>() - anew["core_seconds"].get<double>();
  EXPECT_DOUBLE_EQ(anew["break_even_per_label"], std::max(0.0, more) / 90);
  // adabn moves only the statistics.
  EXPECT_GT(cost["changed_bytes"], 0);
  EXPECT_LT(cost["changed_bytes"], anew["changed_bytes"]);
  for (const char* when : {"before", "after"}) {
    const json& view = report["views"][when];
    EXPECT_EQ(view["target"]["x"].size(), 90u) << when;
    EXPECT_EQ(view["target"]["class"].size(), 90u) << when;
    EXPECT_EQ(view["predicted_prior"].size(), 3u) << when;
    EXPECT_EQ(view["confidence_histogram"].size(), 10u) << when;
  }
  EXPECT_NE(report["views"]["before"], report["views"]["after"]);
  EXPECT_THAT(ReadText(spec.output_directory + "/report.html"), HasSubstr("adabn raised"));
  const json lineage = json::parse(ReadText(spec.output_directory + "/lineage.json"));
  EXPECT_EQ(lineage["parent"], "sha256:aa");
  EXPECT_EQ(lineage["inputs"]["target"], "sha256:bb");
  EXPECT_EQ(lineage["seed"], 7);
  EXPECT_EQ(lineage["versions"]["acclimate"], "0.1.0");

  const auto changed = ReadTensors(spec.output_directory + "/changed.safetensors");
  EXPECT_FALSE(changed.empty());
  for (const auto& [name, tensor] : changed) EXPECT_THAT(name, HasSubstr("running_"));
}

TEST(RunTest, EvaluateCountsEverySample) {
  RunSpec spec = Vectors().Spec("evaluate");
  spec.target = OpenFile(Vectors().Path("source.safetensors"));
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->files, ElementsAre("report.json", "report.html"));
  const json report = json::parse(ReadText(spec.output_directory + "/report.json"));
  EXPECT_GT(report["accuracy"], 0.95);
  int64_t counted = 0, right = 0;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      const int64_t count = report["confusion_matrix"][i][j];
      counted += count;
      if (i == j) right += count;
    }
  }
  EXPECT_EQ(counted, 96);
  EXPECT_DOUBLE_EQ(report["accuracy"], right / 96.0);
}

TEST(RunTest, NormalizationTravelsWithTheModel) {
  // Trained on (x - 8) / 1.5 of the shifted domain, evaluated without saying so.
  RunSpec train = Vectors().Spec("finetune");
  train.normalization.mean = {8.0};
  train.normalization.std = {1.5};
  train.hyperparameters["epochs"] = int64_t{10};
  TestObserver observer;
  ASSERT_TRUE(job::Run(train, observer).ok());
  RunSpec evaluate = Vectors().Spec("evaluate");
  evaluate.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  const absl::StatusOr<RunResult> recorded = job::Run(evaluate, observer);
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  evaluate.normalization.mean = {0.0};
  evaluate.normalization.std = {1.0};
  const absl::StatusOr<RunResult> given = job::Run(evaluate, observer);
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_GT(recorded->metrics.at("accuracy"), 0.95);
  EXPECT_LT(given->metrics.at("accuracy"), recorded->metrics.at("accuracy"));
  const json lineage = json::parse(ReadText(train.output_directory + "/lineage.json"));
  EXPECT_EQ(lineage["normalization"]["mean"], json::array({8.0}));
}

TEST(RunTest, FreshStartTakesItsClassesFromTheLabels) {
  RunSpec spec = Vectors().Spec("finetune");
  spec.checkpoint = nullptr;
  spec.architecture = "mlp";
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  const auto tensors = ReadTensors(spec.output_directory + "/model.safetensors");
  EXPECT_EQ(tensors.at("fc.weight").size(0), 3);
  EXPECT_EQ(result->metrics.count("source_accuracy"), 0u);
}

TEST(RunTest, SupervisedTrainingSaysWhatItMeasuredOnTheSamplesItKept) {
  RunSpec spec = Vectors().Spec("finetune");
  spec.evaluation = nullptr;
  spec.target = OpenFile(Vectors().Path("source.safetensors"));
  TestObserver observer;
  absl::StatusOr<RunResult> result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->metrics.count("validation_accuracy"), 0u);  // a twentieth of 96 is too few

  const std::string path = NewFolder("many") + "/target.safetensors";
  WriteDomain(path, MakeDomain(1000, {12}, 5));
  spec.target = OpenFile(path);
  result = job::Run(spec, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("validation_accuracy"), 0.9);
  const json report = json::parse(ReadText(spec.output_directory + "/report.json"));
  EXPECT_EQ(report["finetune"]["validation_samples"], 50);
  EXPECT_THAT(std::string(report["verdict"]), HasSubstr("of 50 labelled samples"));
}

TEST(RunTest, ValuesThatAreFarOutAreSaid) {
  Domain domain = Shifted(MakeDomain(90, {12}, 2));
  domain.inputs[17][5] = -14757.0;
  const std::string path = NewFolder("far") + "/target.safetensors";
  WriteDomain(path, {domain.inputs, {}});
  RunSpec spec = Vectors().Spec("adabn");
  TestObserver nothing, warned;
  ASSERT_TRUE(job::Run(spec, nothing).ok());
  EXPECT_THAT(nothing.warnings, Not(Contains(HasSubstr("values beyond"))));
  spec.target = OpenFile(path);
  ASSERT_TRUE(job::Run(spec, warned).ok());
  EXPECT_THAT(warned.warnings,
              Contains(HasSubstr("target: 1 of 90 samples have values beyond 100 after "
                                 "normalisation, the largest is -14757, value 5 of sample 17")));
}

TEST(RunTest, LabelsOfTheTargetAreNeverSeen) {
  // The same target with labels turned round: bit-equal weights.
  RunSpec plain = Vectors().Spec("shot");
  RunSpec labelled = Vectors().Spec("shot");
  Domain target = Shifted(MakeDomain(90, {12}, 2));
  target.labels = 2 - target.labels;
  const std::string path = NewFolder("labels") + "/target.safetensors";
  WriteDomain(path, target);
  labelled.target = OpenFile(path);
  ASSERT_TRUE(RunStatus(plain).ok());
  ASSERT_TRUE(RunStatus(labelled).ok());
  EXPECT_EQ(ReadText(plain.output_directory + "/model.safetensors"),
            ReadText(labelled.output_directory + "/model.safetensors"));
}

TEST(RunTest, SeedDecides) {
  RunSpec spec = Vectors().Spec("dann");
  spec.hyperparameters["guard"] = "off";  // the source model is the same whatever the seed
  RunSpec other = spec;
  other.output_directory = NewFolder("other_seed");
  other.seed = 8;
  ASSERT_TRUE(RunStatus(spec).ok());
  const std::string first = ReadText(spec.output_directory + "/model.safetensors");
  ASSERT_TRUE(RunStatus(spec).ok());
  EXPECT_TRUE(first == ReadText(spec.output_directory + "/model.safetensors"));
  ASSERT_TRUE(RunStatus(other).ok());
  EXPECT_TRUE(first != ReadText(other.output_directory + "/model.safetensors"));
}

TEST(RunTest, TakesSeveralSources) {
  RunSpec spec = Vectors().Spec("deep_coral");
  spec.sources.push_back(spec.sources.front());
  spec.sources.push_back(spec.sources.front());
  EXPECT_TRUE(RunStatus(spec).ok());
}

TEST(RunTest, CancelTakesEffectBeforeTheNextStep) {
  for (const methods::MethodSpec& method : Catalog()) {
    if (method.needs_images) continue;
    RunSpec spec = Vectors().Spec(method.name);
    spec.evaluation = nullptr;
    TestObserver observer(/*stop_after=*/1);
    const absl::StatusOr<RunResult> result = job::Run(spec, observer);
    ASSERT_TRUE(result.ok()) << method.name << ": " << result.status();
    EXPECT_EQ(result->outcome, RunResult::Outcome::kCancelled) << method.name;
    EXPECT_EQ(observer.last_progress.step, 0) << method.name;
    EXPECT_TRUE(result->files.empty()) << method.name;
  }
}

TEST(RunTest, SavesStatesOnTheWay) {
  RunSpec spec = Vectors().Spec("dan");
  spec.state_every_steps = 4;
  TestObserver observer;
  ASSERT_TRUE(job::Run(spec, observer).ok());
  EXPECT_EQ(observer.states.size(), 2u);  // of 9 steps
}

// What is wrong is named.
TEST(RunTest, UnknownMethodAndHyperparameters) {
  RunSpec spec = Vectors().Spec("shot");
  spec.hyperparameters["bets"] = 0.1;
  spec.hyperparameters["beta"] = -1.0;
  EXPECT_THAT(Reason(spec), ::testing::AllOf(HasSubstr("hyperparameters.bets: unknown"),
                                             HasSubstr("hyperparameters.beta: -1 is outside")));
  spec.method = "magic";
  EXPECT_EQ(Reason(spec), "method: there is no \"magic\"");
}

TEST(RunTest, MissingInputs) {
  RunSpec spec = Vectors().Spec("dann");
  spec.sources.clear();
  EXPECT_EQ(Reason(spec), "sources: method dann needs labelled source data");
  spec = Vectors().Spec("shot");
  spec.checkpoint = nullptr;
  EXPECT_EQ(Reason(spec), "checkpoint: method shot needs a checkpoint");
  spec = Vectors().Spec("shot");
  spec.target = nullptr;
  EXPECT_EQ(Reason(spec), "target: method shot needs target data");
  spec = Vectors().Spec("finetune");
  spec.checkpoint = nullptr;
  EXPECT_EQ(Reason(spec),
            "architecture: method finetune needs a checkpoint or a built-in architecture");
  spec = Vectors().Spec("finetune");
  spec.target = OpenFile(Vectors().Path("target.safetensors"));
  EXPECT_EQ(Reason(spec), "target: has no labels");
}

TEST(RunTest, LabelsOutsideTheClasses) {
  Domain domain = MakeDomain(20, {12}, 4);
  domain.labels[5] = 12;
  const std::string path = NewFolder("labels") + "/evaluation.safetensors";
  WriteDomain(path, domain);
  RunSpec spec = Vectors().Spec("shot");
  spec.evaluation = OpenFile(path);
  EXPECT_EQ(Reason(spec), "labels of evaluation: value 12 at index 5, the model has 3 classes");
}

TEST(RunTest, ShapesThatDiffer) {
  const std::string path = NewFolder("shapes") + "/source.safetensors";
  WriteDomain(path, MakeDomain(20, {13}, 4));
  RunSpec spec = Vectors().Spec("dan");
  spec.sources = {OpenFile(path)};
  EXPECT_EQ(Reason(spec), "sources[0]: samples have shape [13], those of the target [12]");
  spec = Vectors().Spec("evaluate");
  spec.target = OpenFile(path);
  EXPECT_THAT(Reason(spec), HasSubstr("checkpoint: "));
}

TEST(RunTest, VectorsAreNoImages) {
  EXPECT_EQ(Reason(Vectors().Spec("mic")),
            "target: mic needs images [channels, height, width]; the samples have shape [12]");
}

TEST(RunTest, StateOfAnotherRunIsRefused) {
  RunSpec spec = Vectors().Spec("shot");
  TestObserver pause(/*stop_after=*/4, Directive::kPause);
  const absl::StatusOr<RunResult> paused = job::Run(spec, pause);
  ASSERT_TRUE(paused.ok()) << paused.status();
  ASSERT_EQ(paused->outcome, RunResult::Outcome::kPaused);
  ASSERT_THAT(paused->files, ElementsAre("training_state.safetensors"));
  spec.resume_state = OpenFile(spec.output_directory + "/training_state.safetensors");
  spec.seed = 8;
  EXPECT_EQ(Reason(spec), "resume_state: is of another run: its seed is 7, not 8");
}

TEST(RunTest, DivergenceIsSaid) {
  RunSpec spec = Vectors().Spec("finetune");
  spec.hyperparameters["learning_rate"] = 100.0;
  spec.hyperparameters["weight_decay"] = 1.0;
  spec.hyperparameters["epochs"] = int64_t{200};
  EXPECT_THAT(Reason(spec), HasSubstr("training diverged"));
}

}  // namespace
}  // namespace acclimate::job
