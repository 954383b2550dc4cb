#include "core/methods/fine_tuning/regularizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/losses/cross_entropy.h"
#include "core/losses/feature_map_distance.h"
#include "core/losses/l2_sp.h"
#include "core/losses/spectral_shrinkage.h"
#include "core/methods/settings.h"

namespace acclimate::methods {
namespace {

constexpr char kNone[] = "none";
constexpr char kL2[] = "l2";
constexpr char kL2Sp[] = "l2_sp";
constexpr char kDelta[] = "delta";
constexpr char kBss[] = "bss";
// In a state of DELTA.
constexpr char kAttention[] = "attention/";
constexpr char kStart[] = "start/";
constexpr size_t kMostDeltaLevels = 4;  // the four stages of a ResNet (Li et al. 2019)

struct WeightsByRole {
  std::vector<at::Tensor> body, head;
};

WeightsByRole WeightsOf(const model::Model& model) {
  WeightsByRole weights;
  for (const model::Parameter& parameter : model.parameters()) {
    (parameter.head ? weights.head : weights.body).push_back(parameter.tensor);
  }
  return weights;
}

std::vector<at::Tensor> Copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& tensor : tensors) copies.push_back(tensor.detach().clone());
  return copies;
}

class L2 : public Regularizer {
 public:
  explicit L2(const MethodContext& context) : weight_(context.settings.Real("l2_weight")) {
    for (const model::Parameter& parameter : context.model.parameters()) {
      weights_.push_back(parameter.tensor);
    }
  }

  std::string name() const override { return kL2; }
  at::Tensor Penalty(const at::Tensor&, const model::LevelsResult&, model::Mode) override {
    return losses::L2Sp({}, {}, weights_, 0, weight_);
  }

 private:
  const double weight_;
  std::vector<at::Tensor> weights_;
};

class L2StartingPoint : public Regularizer {
 public:
  explicit L2StartingPoint(const MethodContext& context)
      : alpha_(context.settings.Real("l2_weight")),
        beta_(context.settings.Real("weight_decay")),
        weights_(WeightsOf(context.model)),
        start_(Copies(weights_.body)) {}

  std::string name() const override { return kL2Sp; }
  at::Tensor Penalty(const at::Tensor&, const model::LevelsResult&, model::Mode) override {
    return losses::L2Sp(weights_.body, start_, weights_.head, alpha_, beta_);
  }

 private:
  const double alpha_, beta_;
  const WeightsByRole weights_;
  const std::vector<at::Tensor> start_;
};

class Delta : public Regularizer {
 public:
  explicit Delta(const MethodContext& context)
      : model_(context.model),
        weight_(context.settings.Real("delta_weight")),
        head_decay_(context.settings.Real("weight_decay")),
        head_(WeightsOf(context.model).head),
        start_(context.model.Clone()) {
    const at::NoGradGuard no_grad;
    const size_t all = start_->levels().size(), count = std::min(all, kMostDeltaLevels);
    for (size_t i = 1; i <= count; ++i) levels_.push_back(i * all / count - 1);
    const at::Tensor sample = context.target.Slice(0, 1, context.device).inputs;
    for (const at::Tensor& maps : MapsOfStart(sample, model::Mode::kEvaluation)) {
      attention_.push_back(at::zeros({maps.size(1)}, maps.options()));
    }
  }

  std::string name() const override { return kDelta; }
  std::vector<size_t> levels() const override { return levels_; }

  absl::Status Measure(const data::Batch& labelled, train::StopSignal& stop) override {
    const at::NoGradGuard no_grad;
    TakeStatisticsOfModel();
    for (size_t i = 0; i < levels_.size(); ++i) {
      const at::Tensor maps =
          start_->ForwardTo(levels_[i], labelled.inputs, model::Mode::kEvaluation);
      const double loss = LossFrom(levels_[i], maps, labelled.labels).item<double>();
      const at::Tensor silenced = maps.clone();
      at::Tensor losses_without = at::empty_like(attention_[i]);
      for (int64_t filter = 0; filter < maps.size(1); ++filter) {
        if (absl::Status status = stop.Check(); !status.ok()) return status;
        silenced.select(1, filter).zero_();
        losses_without[filter] = LossFrom(levels_[i], silenced, labelled.labels);
        silenced.select(1, filter).copy_(maps.select(1, filter));
      }
      attention_[i] = losses::FilterAttention(losses_without, loss);
    }
    return absl::OkStatus();
  }

  at::Tensor Penalty(const at::Tensor& inputs, const model::LevelsResult& result,
                     model::Mode mode) override {
    // No dropout, and nothing follows the batches.
    const bool of_the_batch = mode == model::Mode::kTraining;
    const std::vector<at::Tensor> start =
        MapsOfStart(inputs, of_the_batch ? model::Mode::kBatchStatistics : mode);
    at::Tensor penalty = losses::L2Sp({}, {}, head_, 0, head_decay_);
    for (size_t i = 0; i < start.size(); ++i) {
      penalty =
          penalty + weight_ * losses::FeatureMapDistance(result.levels[i], start[i], attention_[i]);
    }
    return penalty;
  }

  train::TensorMap State() const override {
    train::TensorMap state = Statistics();
    for (size_t i = 0; i < levels_.size(); ++i) state[Key(i)] = attention_[i];
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    return train::CopyInto(State(), state);
  }

 private:
  std::string Key(size_t i) const { return absl::StrCat(kAttention, levels_[i]); }

  std::vector<at::Tensor> MapsOfStart(const at::Tensor& inputs, model::Mode mode) {
    const at::NoGradGuard no_grad;
    return start_->ForwardThrough(levels_, inputs, mode).levels;
  }

  // Of the start's batch norm, by name.
  train::TensorMap Statistics() const {
    train::TensorMap statistics;
    for (const model::BatchNormLayer& norm : start_->batch_norm_layers()) {
      statistics[absl::StrCat(kStart, norm.name, "/mean")] = norm.running_mean;
      statistics[absl::StrCat(kStart, norm.name, "/variance")] = norm.running_var;
    }
    return statistics;
  }

  void TakeStatisticsOfModel() {
    for (size_t layer = 0; layer < start_->batch_norm_layers().size(); ++layer) {
      const model::BatchNormLayer& from = model_.batch_norm_layers()[layer];
      const model::BatchNormLayer& into = start_->batch_norm_layers()[layer];
      into.running_mean.copy_(from.running_mean);
      into.running_var.copy_(from.running_var);
    }
  }

  at::Tensor LossFrom(size_t level, const at::Tensor& maps, const at::Tensor& labels) {
    return losses::CrossEntropy(start_->ForwardFrom(level, maps, model::Mode::kEvaluation).logits,
                                labels);
  }

  model::Model& model_;
  const double weight_, head_decay_;
  const std::vector<at::Tensor> head_;
  const std::unique_ptr<model::Model> start_;
  std::vector<size_t> levels_;
  std::vector<at::Tensor> attention_;  // W [C] by level; zero before Measure()
};

class SpectralShrinkage : public Regularizer {
 public:
  explicit SpectralShrinkage(const MethodContext& context)
      : weight_(context.settings.Real("bss_weight")),
        count_(context.settings.Integer("bss_singular_values")) {}

  std::string name() const override { return kBss; }
  bool replaces_weight_decay() const override { return false; }
  at::Tensor Penalty(const at::Tensor&, const model::LevelsResult& result, model::Mode) override {
    return weight_ * losses::SpectralShrinkage(result.output.features, count_);
  }

 private:
  const double weight_;
  const int64_t count_;
};

}  // namespace

std::vector<HyperparameterSpec> RegularizerSettings() {
  return {
      ChoiceSetting("regularizer",
                    "Penalty on forgetting: on large weights (l2), on weights (l2_sp) or feature "
                    "maps (delta) away from the checkpoint's, or on directions of the features "
                    "that a batch hardly uses (bss)",
                    kNone, {kNone, kL2, kL2Sp, kDelta, kBss}),
      RealSetting("l2_weight",
                  "Weight of l2 and l2_sp, in place of weight_decay, which the classifier keeps "
                  "under l2_sp and delta",
                  0.01, 0.0, 1000.0),
      RealSetting("delta_weight", "Weight of delta, a level", 0.05, 0.0, 1000.0),
      RealSetting("bss_weight", "Weight of bss", 0.001, 0.0, 1000.0),
      IntegerSetting("bss_singular_values", "Singular values that bss shrinks, from the smallest",
                     1, 1, 65536)};
}

absl::Status CheckRegularizer(const MethodContext& context) {
  const std::string& name = context.settings.Text("regularizer");
  if (!context.fresh || (name != kL2Sp && name != kDelta)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("hyperparameters.regularizer: ", name,
                                                 " refers to a checkpoint; there is none"));
}

std::unique_ptr<Regularizer> MakeRegularizer(const MethodContext& context) {
  const std::string& name = context.settings.Text("regularizer");
  if (name == kL2) return std::make_unique<L2>(context);
  if (name == kL2Sp) return std::make_unique<L2StartingPoint>(context);
  if (name == kDelta) return std::make_unique<Delta>(context);
  if (name == kBss) return std::make_unique<SpectralShrinkage>(context);
  return nullptr;
}

}  // namespace acclimate::methods
