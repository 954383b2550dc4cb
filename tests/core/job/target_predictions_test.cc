// probabilities.safetensors, and the audit, of whole runs.
#include "core/job/target_predictions.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/job/run.h"
#include "core/model/checkpoint.h"
#include "core/shift/calibration.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::MakeDomain;
using testing::NewFolder;
using testing::OpenFile;
using testing::ReadTensors;
using testing::ReadText;
using testing::TestObserver;
using testing::World;

constexpr char kProbabilities[] = "/probabilities.safetensors";

const World& Clouds() {
  static const auto* const kWorld = new World("target_predictions_test", "mlp", {12});
  return *kWorld;
}

RunResult Finished(const RunSpec& spec) {
  TestObserver observer;
  absl::StatusOr<RunResult> result = job::Run(spec, observer);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : RunResult();
}

std::string RefusalOf(const RunSpec& spec) {
  TestObserver observer;
  const absl::Status status = job::Run(spec, observer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

json ReportIn(const RunSpec& spec) {
  return json::parse(ReadText(spec.output_directory + "/report.json"));
}

io::TensorFile ProbabilitiesIn(const RunSpec& spec) {
  return *io::ReadSafetensors(OpenFile(spec.output_directory + kProbabilities));
}

// In double, of the model that `file` holds: [N, C].
at::Tensor LogitsOf(const std::string& file, const at::Tensor& inputs) {
  const at::NoGradGuard no_grad;
  model::LoadOptions options;
  options.sample_shape = {12};
  const auto model = *model::LoadCheckpoint(OpenFile(file), options);
  return model->Forward(inputs, model::Mode::kEvaluation).logits.to(at::kDouble);
}

double NumberAt(const io::TensorFile& file, const std::string& key) {
  return std::stod(file.metadata.at(key));
}

TEST(TargetPredictionsTest, AreTheReturnedModelsCalibrated) {
  for (const char* method : {"adabn", "dann"}) {
    const RunSpec spec = Clouds().Spec(method);
    EXPECT_THAT(Finished(spec).files, Contains("probabilities.safetensors"));
    const io::TensorFile file = ProbabilitiesIn(spec);
    const at::Tensor inputs = ReadTensors(Clouds().Path("target.safetensors")).at("inputs");
    const at::Tensor returned = LogitsOf(spec.output_directory + "/model.safetensors", inputs),
                     source = LogitsOf(Clouds().Path("model.safetensors"), inputs);
    const at::Tensor expected = (returned / NumberAt(file, "temperature")).softmax(1);
    const at::Tensor before = (source / NumberAt(file, "source_temperature")).softmax(1);
    ASSERT_EQ(file.tensors.at("probabilities").scalar_type(), at::kFloat);
    EXPECT_LT((file.tensors.at("probabilities") - expected).abs().max().item<double>(), 1e-5);
    EXPECT_TRUE(file.tensors.at("prediction").equal(expected.argmax(1)));
    EXPECT_TRUE(file.tensors.at("source_prediction").equal(before.argmax(1)));
    EXPECT_LT((file.tensors.at("source_confidence") - before.amax(1)).abs().max().item<double>(),
              1e-5);
  }
}

TEST(TargetPredictionsTest, TheTemperatureIsFittedToWhatThereIs) {
  const RunSpec alone = Clouds().Spec("adabn");
  Finished(alone);
  EXPECT_EQ(ProbabilitiesIn(alone).metadata.at("temperature"), "1");
  EXPECT_EQ(ProbabilitiesIn(alone).metadata.at("temperature_from"), "none");

  const RunSpec with_source = Clouds().Spec("dann");
  Finished(with_source);
  EXPECT_EQ(ProbabilitiesIn(with_source).metadata.at("temperature_from"), "held_out_source");
  EXPECT_EQ(ProbabilitiesIn(with_source).metadata.at("source_temperature_from"), "held_out_source");

  // A checkpoint that records what it was measured on.
  RunSpec train = Clouds().Spec("finetune");
  train.evaluation = nullptr;
  const std::string many = NewFolder("many") + "/target.safetensors";
  testing::WriteDomain(many, MakeDomain(1000, {12}, 5));
  train.target = OpenFile(many);
  Finished(train);
  RunSpec recorded = Clouds().Spec("adabn");
  recorded.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  Finished(recorded);
  const io::TensorFile file = ProbabilitiesIn(recorded);
  EXPECT_EQ(file.metadata.at("temperature_from"), "record");
  const json record = ReportIn(recorded)["source_record"];
  EXPECT_NEAR(NumberAt(file, "temperature"), record["temperature"], 1e-4);
  EXPECT_EQ(record["samples"], 50);
  EXPECT_FALSE(ReportIn(alone).contains("source_record"));
}

TEST(TargetPredictionsTest, OfHeldOutSamplesTheFitIsTheBest) {
  model::LoadOptions options;
  options.sample_shape = {12};
  const auto model = *model::LoadCheckpoint(OpenFile(Clouds().Path("model.safetensors")), options);
  const testing::Domain domain = testing::Shifted(MakeDomain(300, {12}, 9), 1.1, 1.0);
  const data::Dataset held_out = *data::Dataset::FromTensors(domain.inputs, domain.labels, "s");
  train::StopSignal stop([] { return Directive::kContinue; });
  const absl::StatusOr<Temperature> chosen =
      ChooseTemperature(*model, {held_out}, absl::nullopt, at::kCPU, stop);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  const at::Tensor logits = LogitsOf(Clouds().Path("model.safetensors"), domain.inputs);
  const auto loss = [&](double t) {
    return shift::NegativeLogLikelihood(logits / t, domain.labels);
  };
  EXPECT_LE(loss(chosen->value), loss(chosen->value * 1.02));
  EXPECT_LE(loss(chosen->value), loss(chosen->value / 1.02));
}

TEST(TargetPredictionsTest, ALabelledTargetNeedsNoPassOfItsOwn) {
  // The evaluation is of the target's own file, once told by its digest and once not.
  RunSpec twice = Clouds().Spec("shot");
  twice.evaluation = OpenFile(Clouds().Path("labelled_target.safetensors"));
  RunSpec once = twice;
  once.output_directory = NewFolder("once");
  once.target = twice.target = OpenFile(Clouds().Path("labelled_target.safetensors"));
  once.lineage = {{"target", "sha256:aa"}, {"evaluation", "sha256:aa"}};
  const RunResult separate = Finished(twice), shared = Finished(once);
  EXPECT_EQ(shared.metrics.at("accuracy"), separate.metrics.at("accuracy"));
  for (const char* part : {"source_only", "adapted"}) {
    EXPECT_EQ(ReportIn(once)[part], ReportIn(twice)[part]) << part;
  }
}

// The truth of some samples of the target, drawn at random.
std::vector<report::AuditLabel> SomeLabels(int64_t count) {
  const at::Tensor truth = ReadTensors(Clouds().Path("labelled_target.safetensors")).at("labels");
  const at::Tensor order =
      at::randperm(truth.size(0), at::detail::createCPUGenerator(3), at::TensorOptions(at::kLong));
  std::vector<report::AuditLabel> labels;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = order[i].item<int64_t>();
    labels.push_back({index, truth[index].item<int64_t>()});
  }
  return labels;
}

TEST(AuditJobTest, SaysHowGoodBothModelsAre) {
  RunSpec spec = Clouds().Spec("adabn");
  spec.audit = SomeLabels(30);
  const RunResult result = Finished(spec);
  const json report = ReportIn(spec);
  EXPECT_EQ(report["audit"]["labels"], 30);
  EXPECT_EQ(report["audit"]["population"], 90);
  const io::TensorFile file = ProbabilitiesIn(spec);
  const at::Tensor truth = ReadTensors(Clouds().Path("labelled_target.safetensors")).at("labels");
  const auto true_accuracy = [&](const char* name) {
    return file.tensors.at(name).eq(truth).to(at::kDouble).mean().item<double>();
  };
  const double before = true_accuracy("source_prediction"), after = true_accuracy("prediction");
  ASSERT_GT(after, before + 0.2);
  EXPECT_NEAR(report["audit"]["source"]["value"], before, 0.15);
  EXPECT_NEAR(report["audit"]["returned"]["value"], after, 0.15);
  EXPECT_GT(report["audit"]["gain"]["low"], 0);
  EXPECT_THAT(std::string(report["verdict"]), HasSubstr("An audit of 30 labelled samples: "));
  EXPECT_THAT(std::string(report["verdict"]), HasSubstr(" is real."));
  EXPECT_EQ(result.metrics.at("audited_accuracy"), report["audit"]["returned"]["value"]);
  EXPECT_EQ(result.metrics.at("audited_gain_low"), report["audit"]["gain"]["low"]);
}

TEST(AuditJobTest, ItsLabelsReachNoTraining) {
  for (const char* method : {"shot", "dann", "lame"}) {
    RunSpec plain = Clouds().Spec(method), audited = Clouds().Spec(method);
    audited.audit = SomeLabels(20);
    Finished(plain);
    Finished(audited);
    const std::string file = method == std::string("lame") ? kProbabilities : "/model.safetensors";
    EXPECT_EQ(ReadText(plain.output_directory + file), ReadText(audited.output_directory + file))
        << method;
    EXPECT_FALSE(ReportIn(plain).contains("audit"));
    EXPECT_TRUE(ReportIn(audited).contains("audit"));
  }
}

TEST(AuditJobTest, IsTheSameAfterAPause) {
  for (const bool use_audit : {false, true}) {
    RunSpec spec = Clouds().Spec("shot");
    spec.audit = SomeLabels(20);
    spec.use_audit = use_audit;
    TestObserver observer;
    ASSERT_TRUE(job::Run(spec, observer).ok());
    const json straight = ReportIn(spec);
    TestObserver pause(/*stop_after=*/observer.questions / 2, Directive::kPause);
    const absl::StatusOr<RunResult> paused = job::Run(spec, pause);
    ASSERT_TRUE(paused.ok()) << paused.status();
    ASSERT_EQ(paused->outcome, RunResult::Outcome::kPaused);
    ASSERT_GT(pause.last_progress.step, 0);
    spec.resume_state = OpenFile(spec.output_directory + "/training_state.safetensors");
    Finished(spec);
    EXPECT_EQ(ReportIn(spec)["audit"], straight["audit"]);
    EXPECT_EQ(ReportIn(spec)["selection"], straight["selection"]);
    // A state in which labels have been asked goes on with these and no others.
    spec.use_audit = !use_audit;
    EXPECT_THAT(RefusalOf(spec), HasSubstr("is of another run: its guard_labels is "));
  }
}

TEST(AuditJobTest, WhatIsWrongIsNamed) {
  RunSpec spec = Clouds().Spec("adabn");
  spec.audit = {{4, 0}, {90, 1}};
  EXPECT_EQ(RefusalOf(spec), "audit: index 90 is out of range: the target has 90 samples");
  spec.audit = {{4, 0}, {4, 1}};
  EXPECT_EQ(RefusalOf(spec), "audit: index 4 is given twice");
  spec.audit = {{4, 3}};
  EXPECT_EQ(RefusalOf(spec), "audit: label 3 of index 4 is out of range: there are 3 classes");
  spec = Clouds().Spec("finetune");
  spec.audit = {{4, 0}};
  EXPECT_EQ(RefusalOf(spec), "audit: finetune takes the labels of the target itself");
  spec = Clouds().Spec("diagnose");
  spec.audit = {{4, 0}};
  EXPECT_EQ(RefusalOf(spec), "audit: diagnose predicts nothing for the target's samples");
}

}  // namespace
}  // namespace acclimate::job
