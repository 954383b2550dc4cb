#include "core/methods/teaching/student.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/data/extremes.h"
#include "core/losses/cross_entropy.h"
#include "core/losses/distillation.h"
#include "core/methods/optimization.h"
#include "core/methods/perturbations.h"
#include "core/methods/target_statistics.h"
#include "core/selection/predictions.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

// In the state.
constexpr char kTeacherProbabilities[] =
    "teacher/probabilities";  // no rows: the teacher was not asked
constexpr char kTeacherSourceAccuracy[] = "teacher/source_accuracy";
constexpr char kTeacherOtherKind[] = "teacher/other_kind";
constexpr char kLearntProbabilities[] = "learnt/probabilities";

// Values of one sample beyond so many times the usual largest one are errors of measurement.
constexpr double kMostMagnitude = 20;

class StudentTask : public train::Task {
 public:
  StudentTask(const MethodContext& context, Teach teach, const StudentOptions& options)
      : model_(context.model),
        target_(context.target),
        device_(context.device),
        teach_(std::move(teach)),
        generations_(options.generations),
        taught_{at::zeros({0, context.model.num_classes()}, at::kFloat)},
        learnt_(taught_.probabilities) {
    const at::Tensor usual = data::UsualSamples(target_, kMostMagnitude);
    if (usual.size(0) < target_.size()) {
      usual_ = at::zeros({target_.size()}, at::kBool).index_fill_(0, usual, true);
    }
    plan_.total_steps = options.steps;
    plan_.steps_per_epoch = BatchesPerEpoch(target_.size(), options.batch_size);
    plan_.source_batch_size = context.sources.empty() ? 0 : options.batch_size;
    plan_.target_batch_size = options.batch_size;
    plan_.optimizer = options.optimizer;
    plan_.schedule = options.schedule;
    Augmented augmented = ChooseViews(context, options.augment);
    augment_ = std::move(augmented.strength);
    plan_.view = std::move(augmented.view);
    if (options.corruption > 0) {
      plan_.view = [corruption = options.corruption](const at::Tensor& inputs) {
        return at::dropout(inputs, corruption, /*train=*/true);
      };
    }
    ParametersByDepth parameters = SplitByDepth(model_);
    plan_.groups = {{std::move(parameters.backbone), 1.0},
                    {std::move(parameters.last_block), 1.0},
                    {std::move(parameters.head), 1.0}};
  }

  absl::Status Learn(Teaching teaching) {
    const at::IntArrayRef shape = teaching.probabilities.sizes();
    if (shape.size() != 2 || shape[0] != target_.size() || shape[1] != model_.num_classes()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the teacher's probabilities: not one row of ", model_.num_classes(),
                       " classes for each of the target's ", target_.size(), " samples"));
    }
    taught_ = std::move(teaching);
    learnt_ = taught_.probabilities;
    return absl::OkStatus();
  }

  const train::Plan& plan() const override { return plan_; }

  absl::Status BeforeStep(int64_t step, train::StopSignal& stop) override {
    if (absl::Status status = AskTeacher(stop); !status.ok()) return status;
    const int64_t generations = taught_.other_kind ? 1 : generations_;
    const int64_t steps = std::max<int64_t>(1, plan_.total_steps / generations);
    return generations > 1 && step > 0 && step % steps == 0 ? LearnFromItself(stop)
                                                            : absl::OkStatus();
  }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    constexpr int64_t kFewest = 2;  // that a batch norm takes
    at::Tensor index = input.target_index, inputs = input.target.inputs;
    if (usual_.defined()) {
      const at::Tensor places = usual_.index_select(0, index).nonzero().squeeze(1);
      if (places.size(0) >= kFewest) {
        index = index.index_select(0, places);
        inputs = inputs.index_select(0, places.to(inputs.device()));
      }
    }
    // Each domain by itself, normalised by its own batch statistics.
    const at::Tensor logits = model_.Forward(inputs, model::Mode::kTraining).logits;
    train::StepOutput output;
    output.loss = losses::KlDistillation(logits, TeacherLogits(index), 1.0);
    output.parts = {{"teacher", output.loss}};
    if (input.source.inputs.defined()) {
      const at::Tensor classification = losses::CrossEntropy(
          model_.Forward(input.source.inputs, model::Mode::kTraining).logits, input.source.labels);
      output.loss = output.loss + classification;
      output.parts["source"] = classification;
    }
    if (!usual_.defined()) output.target_logits = logits.detach();
    return output;
  }

  absl::Status Preview(const data::Dataset& target_sample, train::StopSignal& stop) override {
    return RecomputeStatistics(
        model_, target_sample.Subset(data::UsualSamples(target_sample, kMostMagnitude)), device_,
        stop);
  }

  absl::Status Finish(train::StopSignal& stop) override {
    absl::Status status = AskTeacher(stop);
    if (status.ok()) status = Preview(target_, stop);
    return status.ok() ? MeasureAgreement(stop) : status;
  }

  train::TensorMap State() const override {
    return {{kTeacherProbabilities, taught_.probabilities},
            {kTeacherSourceAccuracy, at::scalar_tensor(taught_.source_accuracy, at::kDouble)},
            {kTeacherOtherKind, at::scalar_tensor(taught_.other_kind ? 1 : 0, at::kLong)},
            {kLearntProbabilities, learnt_}};
  }

  absl::Status Restore(const train::TensorMap& state) override {
    const auto probabilities = state.find(kTeacherProbabilities);
    const auto accuracy = state.find(kTeacherSourceAccuracy);
    const auto other_kind = state.find(kTeacherOtherKind);
    const auto learnt = state.find(kLearntProbabilities);
    if (probabilities == state.end() || accuracy == state.end() || other_kind == state.end() ||
        learnt == state.end() || accuracy->second.numel() != 1 || other_kind->second.numel() != 1 ||
        probabilities->second.dim() != 2 ||
        learnt->second.sizes() != probabilities->second.sizes()) {
      return absl::InvalidArgumentError("training state: nothing of a teacher");
    }
    if (probabilities->second.size(0) == 0) return absl::OkStatus();
    absl::Status status =
        Learn({probabilities->second.to(at::kFloat).clone(), accuracy->second.item<double>(),
               other_kind->second.item<int64_t>() != 0});
    if (status.ok()) learnt_ = learnt->second.to(at::kFloat).clone();
    return status;
  }

  void Report(nlohmann::json& report) const override { report["augment"] = augment_; }

  std::map<std::string, double> Metrics() const override {
    std::map<std::string, double> metrics;
    if (!std::isnan(agreement_)) metrics["teacher_agreement"] = agreement_;
    if (!std::isnan(taught_.source_accuracy)) {
      metrics["teacher_source_accuracy"] = taught_.source_accuracy;
    }
    return metrics;
  }

 private:
  absl::Status AskTeacher(train::StopSignal& stop) {
    if (taught_.probabilities.size(0) > 0) return absl::OkStatus();
    absl::StatusOr<Teaching> teaching = teach_(stop);
    return teaching.ok() ? Learn(*std::move(teaching)) : teaching.status();
  }

  // Asked again at the same step, it says the same.
  absl::Status LearnFromItself(train::StopSignal& stop) {
    if (absl::Status status = Preview(target_, stop); !status.ok()) return status;
    absl::StatusOr<at::Tensor> own =
        selection::PredictProbabilities(model_, target_, device_, stop);
    if (!own.ok()) return own.status();
    learnt_ = *std::move(own);
    return absl::OkStatus();
  }

  // [B, C]: logarithms of the teacher's rows, of which a probability of 0 has one too.
  at::Tensor TeacherLogits(const at::Tensor& index) const {
    constexpr double kLeast = 1e-12;
    return learnt_.index_select(0, index).clamp_min(kLeast).log().to(device_);
  }

  absl::Status MeasureAgreement(train::StopSignal& stop) {
    int64_t agreeing = 0;
    const absl::Status status =
        train::ForEachBatch(target_, device_, stop, [&](int64_t begin, const data::Batch& batch) {
          const at::Tensor predicted =
              model_.Forward(batch.inputs, model::Mode::kEvaluation).logits.argmax(1).cpu();
          const at::Tensor teachers =
              taught_.probabilities.narrow(0, begin, predicted.size(0)).argmax(1);
          agreeing += predicted.eq(teachers).sum().item<int64_t>();
        });
    if (status.ok())
      agreement_ = static_cast<double>(agreeing) / static_cast<double>(target_.size());
    return status;
  }

  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const Teach teach_;
  const int64_t generations_;
  Teaching taught_;
  at::Tensor learnt_;    // [N, C]: the teacher's rows, or those of the network itself
  at::Tensor usual_;     // bool [N] on the CPU; undefined: all of them are
  std::string augment_;  // of `auto`: what was chosen
  double agreement_ = std::numeric_limits<double>::quiet_NaN();
  train::Plan plan_;
};

}  // namespace

std::vector<HyperparameterSpec> StudentSettings(const StudentOptions& options) {
  OptimizationDefaults defaults;
  defaults.learning_rate = options.optimizer.learning_rate;
  defaults.weight_decay = options.optimizer.weight_decay;
  defaults.batch_size = options.batch_size;
  HyperparameterSpec augment = AugmentSetting();
  augment.default_value = std::string("none");
  return Concatenated(
      OptimizationSettings(defaults),
      {IntegerSetting("steps", "Training steps of the network", options.steps, 1, 100000000),
       augment});
}

StudentOptions StudentOptionsOf(const Settings& settings, StudentOptions options) {
  train::Plan plan;
  SetOptimization(settings, plan);
  options.steps = settings.Integer("steps");
  options.batch_size = settings.Integer("batch_size");
  options.augment = settings.Text("augment");
  options.optimizer = plan.optimizer;
  options.schedule = plan.schedule;
  return options;
}

std::unique_ptr<train::Task> MakeStudent(const MethodContext& context, Teach teach,
                                         const StudentOptions& options) {
  return std::make_unique<StudentTask>(context, std::move(teach), options);
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeStudent(const MethodContext& context,
                                                         at::Tensor probabilities,
                                                         const StudentOptions& options) {
  auto student = std::make_unique<StudentTask>(context, /*teach=*/nullptr, options);
  absl::Status status = student->Learn({std::move(probabilities)});
  if (!status.ok()) return status;
  return student;
}

}  // namespace acclimate::methods
