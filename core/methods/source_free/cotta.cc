// CoTTA: a student follows the moving average of itself, seen through augmentations where the
// source model is unsure, and now and then forgets what it learned.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/losses/consistency.h"
#include "core/methods/perturbations.h"
#include "core/methods/source_free/test_time_task.h"

namespace acclimate::methods {
namespace {

constexpr char kTeacherPrefix[] = "teacher/";
constexpr char kPending[] = "update_pending";

std::vector<train::NamedParameter> AllParameters(const model::Model& model,
                                                 const std::string& prefix = "") {
  std::vector<train::NamedParameter> parameters;
  for (const model::Parameter& parameter : model.parameters()) {
    parameters.push_back({absl::StrCat(prefix, parameter.name), parameter.tensor});
  }
  return parameters;
}

class CottaTask : public TestTimeTask {
 public:
  explicit CottaTask(const MethodContext& context)
      : TestTimeTask(context, AllParameters(context.model)),
        source_(context.model.Clone()),
        teacher_(context.model.Clone()),
        teacher_weights_(AllParameters(*teacher_, kTeacherPrefix)),
        momentum_(context.settings.Real("teacher_momentum")),
        confidence_(context.settings.Real("confidence_threshold")),
        augmentations_(context.settings.Integer("augmentations")),
        restore_rate_(context.settings.Real("restore_rate")) {
    views_.flip = context.settings.Flag("flip");
    views_ = ViewsOf(context.target, views_);
    for (model::Model* frozen : {source_.get(), teacher_.get()}) {
      for (const model::Parameter& parameter : frozen->parameters()) {
        parameter.tensor.requires_grad_(false);
      }
    }
    guard_.Protect(teacher_weights_);
  }

  train::TensorMap State() const override {
    train::TensorMap state = TestTimeTask::State();
    for (const train::NamedParameter& weight : teacher_weights_) state[weight.name] = weight.tensor;
    state[kPending] = at::scalar_tensor(update_pending_ ? 1 : 0, at::kLong);
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    if (absl::Status status = TestTimeTask::Restore(state); !status.ok()) return status;
    train::TensorMap own;
    for (const train::NamedParameter& weight : teacher_weights_) own[weight.name] = weight.tensor;
    if (absl::Status status = train::CopyInto(own, state); !status.ok()) return status;
    const absl::StatusOr<int64_t> pending = train::IntegerIn(state, kPending);
    if (!pending.ok()) return pending.status();
    update_pending_ = *pending != 0;
    return absl::OkStatus();
  }

 protected:
  absl::StatusOr<train::StepOutput> Adapt(const train::StepInput& input) override {
    FollowUpdate();
    const at::Tensor taught = TeacherLogits(input.target.inputs);
    const at::Tensor logits =
        model_.Forward(input.target.inputs, model::Mode::kBatchStatistics).logits;
    train::StepOutput output;
    output.loss = losses::ConsistencyCrossEntropy(logits, taught);
    output.target_logits = taught;
    update_pending_ = true;
    return output;
  }

  // The teacher's.
  void TakeFinalWeights() override {
    if (!halted()) FollowUpdate();
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < moving().size(); ++i) {
      moving()[i].tensor.copy_(teacher_weights_[i].tensor);
    }
  }

 private:
  // What follows the optimiser's update of the last step.
  void FollowUpdate() {
    if (!update_pending_) return;
    update_pending_ = false;
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < moving().size(); ++i) {
      const at::Tensor& student = moving()[i].tensor;
      const at::Tensor& source = source_->parameters()[i].tensor;
      teacher_weights_[i].tensor.mul_(momentum_).add_(student, 1.0 - momentum_);
      const at::Tensor restored = at::rand_like(student).lt(restore_rate_);
      student.copy_(at::where(restored, source, student));
    }
  }

  at::Tensor TeacherLogits(const at::Tensor& inputs) {
    const at::NoGradGuard no_grad;
    const auto mode = model::Mode::kBatchStatistics;
    const at::Tensor confidence =
        std::get<0>(source_->Forward(inputs, mode).logits.softmax(1).max(1)).mean();
    if (confidence.item<double>() >= confidence_) return teacher_->Forward(inputs, mode).logits;
    at::Tensor sum;
    for (int64_t i = 0; i < augmentations_; ++i) {
      const at::Tensor logits = teacher_->Forward(Perturbed(inputs, views_), mode).logits;
      sum = sum.defined() ? sum + logits : logits;
    }
    return sum / static_cast<double>(augmentations_);
  }

  const std::unique_ptr<model::Model> source_, teacher_;
  const std::vector<train::NamedParameter> teacher_weights_;
  const double momentum_, confidence_;
  const int64_t augmentations_;
  const double restore_rate_;
  PerturbationOptions views_;
  bool update_pending_ = false;
};

}  // namespace

MethodEntry Cotta() {
  MethodSpec spec;
  spec.name = "cotta";
  spec.title = "Continual test-time adaptation (CoTTA)";
  spec.summary =
      "All weights follow a slow teacher, whose predictions are averaged over augmented views "
      "where "
      "the source model is unsure, and a few weights return to the source at each step: for "
      "targets "
      "that keep changing.";
  spec.reference = "Wang et al., Continual Test-Time Domain Adaptation, CVPR (2022)";
  spec.formula =
      "mean_i CE(p_i, teacher_i); teacher <- m teacher + (1 - m) student; each weight <- source "
      "with "
      "probability restore_rate";
  spec.selects_weights = true;
  spec.hyperparameters = Concatenated(
      TestTimeSettings(TestTimeDefaults()),
      {RealSetting("teacher_momentum", "m, a step", 0.999, 0.0, 1.0),
       RealSetting("confidence_threshold",
                   "Augmented views are taken where the source's mean confidence is below it", 0.92,
                   0.0, 1.0),
       IntegerSetting("augmentations", "Augmented views of a batch", 32, 1, 1024),
       RealSetting("restore_rate", "Share of the weights that return to the source in a step", 0.01,
                   0.0, 1.0),
       FlagSetting("flip", "Mirror images left-right among the views; not for digits or writing",
                   false)});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<CottaTask>(context);
          }};
}

}  // namespace acclimate::methods
