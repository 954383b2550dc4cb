// LAME: corrects the predictions for the target, all at once, and leaves the weights alone.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/methods/method.h"
#include "core/methods/source_free/laplacian_adjustment.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

constexpr char kLameProbabilities[] = "probabilities";
constexpr char kChanged[] = "changed";
constexpr char kIterations[] = "iterations";

// One step: a pass over the target, then arithmetic.
class LameTask : public train::Task {
 public:
  explicit LameTask(const MethodContext& context)
      : model_(context.model),
        target_(context.target),
        device_(context.device),
        neighbors_(context.settings.Integer("neighbors")),
        weight_(context.settings.Real("weight")),
        probabilities_(at::zeros({target_.size(), model_.num_classes()})) {
    plan_.total_steps = 1;
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput&,
                                         train::StopSignal& stop) override {
    std::vector<at::Tensor> features, logits;
    const absl::Status status =
        train::ForEachBatch(target_, device_, stop, [&](int64_t, const data::Batch& batch) {
          const model::ForwardResult result =
              model_.Forward(batch.inputs, model::Mode::kEvaluation);
          features.push_back(result.features);
          logits.push_back(result.logits);
        });
    if (!status.ok()) return status;
    const at::NoGradGuard no_grad;
    const at::Tensor log_probabilities = at::cat(logits).to(at::kDouble).log_softmax(1);
    const LaplacianResult result = LaplacianAdjustment(
        log_probabilities, NearestNeighbors(at::cat(features), neighbors_), weight_);
    changed_ = log_probabilities.argmax(1).ne(result.probabilities.argmax(1)).sum().item<int64_t>();
    iterations_ = result.iterations;
    probabilities_ = result.probabilities.to(at::kCPU, at::kFloat);
    train::StepOutput output;
    output.samples = target_.size();
    return output;
  }

  train::TensorMap State() const override {
    return {{kLameProbabilities, probabilities_},
            {kChanged, at::scalar_tensor(changed_, at::kLong)},
            {kIterations, at::scalar_tensor(iterations_, at::kLong)}};
  }

  absl::Status Restore(const train::TensorMap& state) override {
    const auto it = state.find(kLameProbabilities);
    if (it == state.end() || it->second.sizes() != probabilities_.sizes()) {
      return absl::InvalidArgumentError("training state: no fitting predictions");
    }
    probabilities_ = it->second.clone();
    const absl::StatusOr<int64_t> changed = train::IntegerIn(state, kChanged);
    const absl::StatusOr<int64_t> iterations = train::IntegerIn(state, kIterations);
    if (!changed.ok()) return changed.status();
    if (!iterations.ok()) return iterations.status();
    changed_ = *changed;
    iterations_ = *iterations;
    return absl::OkStatus();
  }

  at::Tensor target_probabilities() const override { return probabilities_; }

  void Report(nlohmann::json& report) const override {
    report["lame"] = {{"predictions_changed", changed_}, {"iterations", iterations_}};
  }

 private:
  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const int64_t neighbors_;
  const double weight_;
  at::Tensor probabilities_;  // float [N, C] on the CPU
  int64_t changed_ = 0, iterations_ = 0;
  train::Plan plan_;
};

}  // namespace

MethodEntry Lame() {
  MethodSpec spec;
  spec.name = "lame";
  spec.title = "Laplacian-adjusted predictions (LAME)";
  spec.summary =
      "Corrects the predictions for the given target samples, so that neighbours in feature space "
      "agree; the model stays as it is and none is written. For a target whose classes come in "
      "other shares or in runs.";
  spec.reference = "Boudiaf et al., Parameter-free Online Test-time Adaptation, CVPR (2022)";
  spec.formula = "y_i <- softmax(log p_i + weight sum over the neighbours j of i of y_j), repeated";
  spec.trains = false;
  spec.full_precision = true;
  spec.hyperparameters = {
      IntegerSetting("neighbors", "Nearest neighbours of a sample, by the angle of their features",
                     5, 1, 1000),
      PositiveSetting("weight", "Weight of the neighbours against the model's own prediction", 1.0,
                      1000.0)};
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            if (context.target.size() < 2) {
              return absl::InvalidArgumentError("target: one sample has no neighbours");
            }
            return std::make_unique<LameTask>(context);
          }};
}

}  // namespace acclimate::methods
