// Distillation in three stages: a student network learns what a teacher knows, from unlabelled data
// that both can read, each in its own form.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/losses/attention_transfer.h"
#include "core/losses/cross_entropy.h"
#include "core/losses/distillation.h"
#include "core/losses/mk_mmd.h"
#include "core/methods/alignment/perceptron.h"
#include "core/methods/extra_inputs.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

// The inputs.
constexpr char kTeacher[] = "teacher";
constexpr char kTeacherInputs[] = "teacher_inputs";
constexpr char kLabelled[] = "labelled";

constexpr size_t kMostAttentionLevels = 3;  // three groups of layers (Zagoruyko & Komodakis 2017)

// Levels of the two networks that are compared, in forward order.
struct LevelPairs {
  std::vector<size_t> student, teacher;
};

// Levels whose activations are maps: [N, C, L] or [N, C, H, W] with more than one place.
std::vector<size_t> SpatialLevels(model::Model& model, const data::Dataset& dataset,
                                  const at::Device& device) {
  const at::NoGradGuard no_grad;
  std::vector<size_t> all;
  for (size_t i = 0; i < model.levels().size(); ++i) all.push_back(i);
  const std::vector<at::Tensor> activations =
      model.ForwardThrough(all, dataset.Slice(0, 1, device).inputs, model::Mode::kEvaluation)
          .levels;
  std::vector<size_t> spatial;
  for (size_t i = 0; i < activations.size(); ++i) {
    const at::Tensor& activation = activations[i];
    const bool map = activation.dim() == 3 || activation.dim() == 4;
    if (map && activation.numel() > activation.size(1)) spatial.push_back(i);
  }
  return spatial;
}

// `count` of the levels, spread evenly, the last one among them.
std::vector<size_t> Spread(const std::vector<size_t>& levels, size_t count) {
  std::vector<size_t> chosen;
  for (size_t i = 1; i <= count; ++i) chosen.push_back(levels[i * levels.size() / count - 1]);
  return chosen;
}

// Paired by relative depth.
LevelPairs PairLevels(const std::vector<size_t>& student, const std::vector<size_t>& teacher) {
  const size_t count = std::min({student.size(), teacher.size(), kMostAttentionLevels});
  return {Spread(student, count), Spread(teacher, count)};
}

class DistillTask : public train::Task {
 public:
  DistillTask(const MethodContext& context, model::Model& teacher,
              const data::Dataset& teacher_inputs, const data::Dataset* labelled)
      : student_(context.model),
        teacher_(teacher),
        target_(context.target),
        teacher_inputs_(teacher_inputs),
        labelled_(labelled),
        device_(context.device),
        temperature_(context.settings.Real("temperature")),
        distillation_weight_(context.settings.Real("distillation_weight")),
        attention_weight_(context.settings.Real("attention_weight")),
        levels_(PairLevels(SpatialLevels(student_, target_, device_),
                           SpatialLevels(teacher_, teacher_inputs_, device_))) {
    PlanSteps(context.settings);
    ParametersByDepth parameters = SplitByDepth(student_);
    plan_.groups = {{std::move(parameters.backbone), 1.0},
                    {std::move(parameters.last_block), 1.0},
                    {std::move(parameters.head), 1.0}};
    if (student_.feature_size() != teacher_.feature_size()) {
      map_.emplace("feature_map",
                   std::vector<int64_t>{student_.feature_size(), teacher_.feature_size()},
                   Perceptron::Norm::kNone, device_);
      plan_.groups.push_back({map_->Parameters(), 1.0});
    }
  }

  const train::Plan& plan() const override { return plan_; }

  // Before the first step of every process: what the teacher says is no part of the state.
  absl::Status BeforeStep(int64_t, train::StopSignal& stop) override {
    return EnsureTeacherOutputs(stop);
  }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    if (input.step < alignment_steps_) return AlignFeatures(input);
    if (input.step < alignment_steps_ + attention_steps_) return TransferAttention(input);
    return MatchPredictions(input);
  }

  absl::Status Finish(train::StopSignal& stop) override {
    if (absl::Status status = EnsureTeacherOutputs(stop); !status.ok()) return status;
    int64_t agreeing = 0;
    const absl::Status status =
        train::ForEachBatch(target_, device_, stop, [&](int64_t begin, const data::Batch& batch) {
          const at::Tensor predicted =
              student_.Forward(batch.inputs, model::Mode::kEvaluation).logits.argmax(1);
          const at::Tensor teachers = teacher_logits_.narrow(0, begin, predicted.size(0)).argmax(1);
          agreeing += predicted.to(at::kCPU).eq(teachers).sum().item<int64_t>();
        });
    if (!status.ok()) return status;
    agreement_ = static_cast<double>(agreeing) / static_cast<double>(target_.size());
    return absl::OkStatus();
  }

  train::TensorMap State() const override { return map_ ? map_->State() : train::TensorMap(); }
  absl::Status Restore(const train::TensorMap& state) override {
    return map_ ? map_->Restore(state) : absl::OkStatus();
  }

  void Report(nlohmann::json& report) const override {
    nlohmann::json pairs = nlohmann::json::array();
    for (size_t i = 0; i < levels_.student.size(); ++i) {
      pairs.push_back({{"student", student_.levels()[levels_.student[i]].name},
                       {"teacher", teacher_.levels()[levels_.teacher[i]].name}});
    }
    report["distillation"] = {
        {"alignment_steps", alignment_steps_},
        {"attention_steps", attention_steps_},
        {"prediction_steps", plan_.total_steps - alignment_steps_ - attention_steps_},
        {"attention_levels", std::move(pairs)},
        {"teacher_agreement", agreement_}};
  }

  std::map<std::string, double> Metrics() const override {
    return {{"teacher_agreement", agreement_}};
  }

  std::vector<std::string> Warnings() const override {
    if (!levels_.student.empty()) return {};
    return {
        "distill: no two levels of student and teacher have maps to compare: the attention stage "
        "was left out, its steps went to the predictions"};
  }

 private:
  void PlanSteps(const Settings& settings) {
    const int64_t batch_size = settings.Integer("batch_size");
    SetOptimization(settings, plan_);
    plan_.total_steps = settings.Integer("steps");
    plan_.steps_per_epoch = BatchesPerEpoch(target_.size(), batch_size);
    plan_.target_batch_size = batch_size;
    const auto steps = [&](double share) -> int64_t {
      return std::llround(share * static_cast<double>(plan_.total_steps));
    };
    alignment_steps_ = steps(settings.Real("alignment_share"));
    attention_steps_ = levels_.student.empty() ? 0 : steps(settings.Real("attention_share"));
  }

  // The teacher does not change: one pass over its inputs serves the whole run.
  absl::Status EnsureTeacherOutputs(train::StopSignal& stop) {
    if (teacher_logits_.defined()) return absl::OkStatus();
    std::vector<at::Tensor> features, logits;
    const absl::Status status =
        train::ForEachBatch(teacher_inputs_, device_, stop, [&](int64_t, const data::Batch& batch) {
          const model::ForwardResult result =
              teacher_.Forward(batch.inputs, model::Mode::kEvaluation);
          features.push_back(result.features.to(at::kCPU));
          logits.push_back(result.logits.to(at::kCPU));
        });
    if (!status.ok()) return status;
    teacher_features_ = at::cat(features);
    teacher_logits_ = at::cat(logits);
    return absl::OkStatus();
  }

  at::Tensor OfTeacher(const at::Tensor& outputs, const train::StepInput& input) const {
    return outputs.index_select(0, input.target_index).to(device_);
  }

  train::StepOutput AlignFeatures(const train::StepInput& input) {
    at::Tensor features = student_.Forward(input.target.inputs, model::Mode::kTraining).features;
    if (map_) features = map_->Forward(features);
    train::StepOutput output;
    output.loss = losses::MkMmd(features, OfTeacher(teacher_features_, input));
    output.parts = {{"alignment", output.loss}};
    return output;
  }

  train::StepOutput TransferAttention(const train::StepInput& input) {
    const std::vector<at::Tensor> student =
        student_.ForwardThrough(levels_.student, input.target.inputs, model::Mode::kTraining)
            .levels;
    const std::vector<at::Tensor> teacher = TeacherActivations(input.target_index);
    at::Tensor loss = at::zeros({}, input.target.inputs.options());
    for (size_t i = 0; i < student.size(); ++i) {
      loss = loss + losses::AttentionTransfer(student[i], teacher[i]);
    }
    train::StepOutput output;
    output.loss = attention_weight_ * loss;
    output.parts = {{"attention", loss}};
    return output;
  }

  std::vector<at::Tensor> TeacherActivations(const at::Tensor& index) {
    const at::NoGradGuard no_grad;
    return teacher_
        .ForwardThrough(levels_.teacher, teacher_inputs_.Gather(index, device_).inputs,
                        model::Mode::kEvaluation)
        .levels;
  }

  train::StepOutput MatchPredictions(const train::StepInput& input) {
    const int64_t n = input.target.inputs.size(0);
    const data::Batch labelled = DrawLabelled(n);
    const at::Tensor inputs = labelled.inputs.defined()
                                  ? at::cat({input.target.inputs, labelled.inputs})
                                  : input.target.inputs;
    const at::Tensor logits = student_.Forward(inputs, model::Mode::kTraining).logits;
    const at::Tensor on_target = logits.narrow(0, 0, n);
    train::StepOutput output;
    output.loss =
        losses::KlDistillation(on_target, OfTeacher(teacher_logits_, input), temperature_);
    output.parts = {{"prediction", output.loss}};
    if (labelled.inputs.defined()) {
      const at::Tensor cross_entropy =
          losses::CrossEntropy(logits.narrow(0, n, labelled.inputs.size(0)), labelled.labels);
      output.loss = distillation_weight_ * output.loss + (1 - distillation_weight_) * cross_entropy;
      output.parts["labelled"] = cross_entropy;
    }
    output.target_logits = on_target.detach();
    return output;
  }

  // At most `count` of the labelled samples, drawn with replacement; nothing without them.
  data::Batch DrawLabelled(int64_t count) const {
    if (labelled_ == nullptr) return {};
    const int64_t size = labelled_->size();
    return labelled_->Gather(at::randint(size, {std::min(count, size)}, at::kLong), device_);
  }

  model::Model& student_;
  model::Model& teacher_;
  const data::Dataset& target_;
  const data::Dataset& teacher_inputs_;
  const data::Dataset* const labelled_;  // null: not given
  const at::Device device_;
  const double temperature_, distillation_weight_, attention_weight_;
  const LevelPairs levels_;
  std::optional<Perceptron> map_;                 // where feature sizes differ
  at::Tensor teacher_features_, teacher_logits_;  // [N, D], [N, C] on the CPU, made when needed
  int64_t alignment_steps_ = 0, attention_steps_ = 0;
  double agreement_ = 0;
  train::Plan plan_;
};

absl::Status CheckTeacher(const model::Model& teacher, const data::Dataset& teacher_inputs,
                          const MethodContext& context) {
  if (teacher.num_classes() != context.model.num_classes()) {
    return absl::InvalidArgumentError(absl::StrCat("inputs[\"teacher\"]: has ",
                                                   teacher.num_classes(), " classes, the student ",
                                                   context.model.num_classes()));
  }
  if (teacher_inputs.size() != context.target.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "inputs[\"teacher_inputs\"]: has ", teacher_inputs.size(), " samples, the target ",
        context.target.size(), "; sample i of both must show the same thing"));
  }
  return absl::OkStatus();
}

absl::Status CheckLabels(const data::Dataset& labelled, int64_t classes) {
  if (labelled.num_classes() <= classes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("inputs[\"labelled\"]: has a label ",
                                                 labelled.num_classes() - 1, ", the student has ",
                                                 classes, " classes"));
}

absl::Status CheckShares(const Settings& settings) {
  if (settings.Real("alignment_share") + settings.Real("attention_share") < 1.0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "hyperparameters.attention_share: with alignment_share it must leave steps for the "
      "predictions");
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeDistill(const MethodContext& context) {
  model::Model& teacher = *context.inputs.models.at(kTeacher);
  const data::Dataset& teacher_inputs = context.inputs.datasets.at(kTeacherInputs);
  const absl::StatusOr<const data::Dataset*> labelled = FindModelInput(context, kLabelled);
  if (!labelled.ok()) return labelled.status();
  absl::Status status = CheckTeacher(teacher, teacher_inputs, context);
  if (*labelled != nullptr) status.Update(CheckLabels(**labelled, context.model.num_classes()));
  status.Update(CheckShares(context.settings));
  if (!status.ok()) return status;
  return std::make_unique<DistillTask>(context, teacher, teacher_inputs, *labelled);
}

}  // namespace

MethodEntry Distill() {
  MethodSpec spec;
  spec.name = "distill";
  spec.title = "Distillation from a teacher";
  spec.summary =
      "Teaches a student network what a teacher knows, on unlabelled target data and, where they "
      "differ, the teacher's own form of the same samples: another architecture, another sensor. "
      "The student starts from a checkpoint or afresh.";
  spec.reference =
      "Hinton et al., arXiv:1503.02531 (2015); Zagoruyko & Komodakis, ICLR (2017); Long et al., "
      "ICML (2015)";
  spec.formula =
      "stage by stage: MMD_k^2(f_s, f_t); attention_weight sum_l mean (Q_s - Q_t)^2; "
      "w T^2 KL(p_t || p_s) + (1 - w) CE(labelled), w = 1 without labels";
  spec.checkpoint = DataNeed::kOptional;
  spec.inputs = {
      {kTeacher, InputSpec::Kind::kModel, DataNeed::kRequired,
       "The trained model to learn from, with the classes of the student"},
      {kTeacherInputs, InputSpec::Kind::kDataset, DataNeed::kOptional,
       "What the teacher sees of each target sample, in the same order; the target itself when not "
       "given"},
      {kLabelled, InputSpec::Kind::kLabelledDataset, DataNeed::kOptional,
       "A few labelled samples as the student sees them, for the last stage"}};
  OptimizationDefaults defaults;
  defaults.optimizer = "adam";
  defaults.learning_rate = 1e-3;
  defaults.weight_decay = 1e-5;
  defaults.schedule = "inverse_decay";
  spec.hyperparameters = Concatenated(
      OptimizationSettings(defaults),
      {IntegerSetting("steps", "Training steps", 2000, 1, 100000000),
       RealSetting("alignment_share", "Share of the steps that align features", 0.1, 0.0, 0.9),
       RealSetting("attention_share", "Share of the steps that transfer attention", 0.2, 0.0, 0.9),
       RealSetting("attention_weight", "Weight of attention transfer, a level", 500.0, 0.0, 1e6),
       PositiveSetting("temperature", "Temperature T of the predictions", 4.0, 100.0),
       RealSetting("distillation_weight",
                   "Weight w of the teacher's predictions where labelled samples are given", 0.9,
                   0.0, 1.0)});
  return {spec, &MakeDistill};
}

}  // namespace acclimate::methods
