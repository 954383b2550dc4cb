// MIC: an image with most of its patches hidden is classified as a slow teacher classifies it
// whole.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/losses/consistency.h"
#include "core/methods/alignment/alignment.h"
#include "core/methods/perturbations.h"

namespace acclimate::methods {

// What it can be laid over: cdan.cc, mcc.cc.
MethodEntry Cdan();
MethodEntry Mcc();

namespace {

constexpr char kMicTeacher[] = "teacher/";
constexpr double kMicTeacherDecay = 0.9;

// A step of the base method, and the masked images beside it.
class MicTask : public train::Task {
 public:
  MicTask(const MethodContext& context, std::unique_ptr<train::Task> base)
      : model_(context.model),
        base_(std::move(base)),
        teacher_(context.model.Clone()),
        weight_(context.settings.Real("mask_weight")),
        ratio_(context.settings.Real("mask_ratio")),
        patches_(context.settings.Integer("mask_patches")) {
    for (const model::Parameter& parameter : teacher_->parameters()) {
      parameter.tensor.requires_grad_(false);
    }
  }

  const train::Plan& plan() const override { return base_->plan(); }
  int KindOf(int64_t step) const override { return base_->KindOf(step); }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) override {
    absl::StatusOr<train::StepOutput> output = base_->Step(input, stop);
    if (!output.ok()) return output;
    const at::Tensor& images = input.target.inputs;
    at::Tensor taught;
    {
      const at::NoGradGuard no_grad;
      taught = teacher_->Forward(images, model::Mode::kBatchStatistics).logits;
    }
    const at::Tensor logits =
        model_.Forward(WithoutPatches(images, ratio_, patches_), model::Mode::kTraining).logits;
    const at::Tensor masked = losses::ConfidentCrossEntropy(logits, taught);
    output->loss = output->loss + weight_ * masked;
    output->parts["masked"] = masked;
    return output;
  }

  // The teacher of the step that follows.
  void AfterStep(int64_t steps_done) override {
    base_->AfterStep(steps_done);
    const double decay =
        std::min(1.0 - 1.0 / static_cast<double>(steps_done + 1), kMicTeacherDecay);
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < teacher_->parameters().size(); ++i) {
      const at::Tensor& teacher = teacher_->parameters()[i].tensor;
      teacher.mul_(decay).add_(model_.parameters()[i].tensor, 1.0 - decay);
    }
  }

  absl::Status Finish(train::StopSignal& stop) override { return base_->Finish(stop); }
  absl::Status Preview(const data::Dataset& target_sample, train::StopSignal& stop) override {
    return base_->Preview(target_sample, stop);
  }

  train::TensorMap State() const override {
    train::TensorMap state = base_->State();
    state.merge(TeacherWeights());
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    absl::Status status = base_->Restore(state);
    status.Update(train::CopyInto(TeacherWeights(), state));
    return status;
  }

  void Report(nlohmann::json& report) const override { base_->Report(report); }
  std::vector<std::string> Warnings() const override { return base_->Warnings(); }

 private:
  train::TensorMap TeacherWeights() const {
    train::TensorMap weights;
    for (const model::Parameter& parameter : teacher_->parameters()) {
      weights[absl::StrCat(kMicTeacher, parameter.name)] = parameter.tensor;
    }
    return weights;
  }

  model::Model& model_;
  const std::unique_ptr<train::Task> base_;
  // Its batch norm goes by each batch, as the student's does: stored statistics play no part.
  const std::unique_ptr<model::Model> teacher_;
  const double weight_, ratio_;
  const int64_t patches_;
};

absl::StatusOr<std::unique_ptr<train::Task>> MakeMic(const MethodContext& context) {
  if (!Images(context.target)) {
    return absl::InvalidArgumentError("target: mic needs images [channels, height, width]");
  }
  const MethodEntry base = context.settings.Text("base") == "cdan" ? Cdan() : Mcc();
  absl::StatusOr<std::unique_ptr<train::Task>> task = base.make_task(context);
  if (!task.ok()) return task.status();
  return std::make_unique<MicTask>(context, *std::move(task));
}

}  // namespace

MethodEntry Mic() {
  MethodSpec spec = Mcc().spec;
  spec.name = "mic";
  spec.title = "Masked image consistency (MIC)";
  spec.summary =
      "mcc or cdan, and images of the target with most of their patches hidden are to be "
      "classified "
      "as a slow teacher classifies them whole: the model learns to use the context.";
  spec.reference = "Hoyer et al., MIC: Masked Image Consistency, CVPR (2023)";
  spec.formula =
      "loss of the base + mask_weight mean_i q_i CE(f(M o x_i), argmax t_i), t = teacher(x), q = "
      "max t, M drops mask_ratio of the patches; teacher <- d teacher + (1 - d) f, d = min(1 - 1 / "
      "(step + 1), 0.9)";
  spec.needs_images = true;
  for (const HyperparameterSpec& setting : Cdan().spec.hyperparameters) {
    const auto known = [&](const HyperparameterSpec& own) { return own.name == setting.name; };
    const auto& own = spec.hyperparameters;
    if (std::none_of(own.begin(), own.end(), known)) spec.hyperparameters.push_back(setting);
  }
  spec.hyperparameters = Concatenated(
      std::move(spec.hyperparameters),
      {ChoiceSetting("base", "What aligns the domains; each has settings of its own", "cdan",
                     {"cdan", "mcc"}),
       RealSetting("mask_weight", "Weight of the masked images' term", 1.0, 0.0, 1e6),
       RealSetting("mask_ratio", "Share of the patches that are hidden", 0.7, 0.0, 1.0),
       IntegerSetting("mask_patches",
                      "Patches along each side of an image; the paper's 64 of 224 pixels make 4", 4,
                      1, 1024)});
  return {spec, &MakeMic};
}

}  // namespace acclimate::methods
