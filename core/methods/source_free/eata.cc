// EATA: entropy minimisation on reliable and novel samples, tied to the source by a Fisher penalty.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/losses/fisher_penalty.h"
#include "core/losses/reliable_entropy.h"
#include "core/methods/source_free/test_time_task.h"
#include "core/train/gradients.h"

namespace acclimate::methods {
namespace {

constexpr char kMean[] = "mean_prediction";
constexpr char kFisher[] = "fisher/";
constexpr double kMeanDecay = 0.9;
// Of Fisher information, as the authors' code has it: a batch's mean gradient is squared, so that
// the size of the batches is part of the penalty's scale.
constexpr int64_t kFisherBatch = 64;

class EataTask : public TestTimeTask {
 public:
  explicit EataTask(const MethodContext& context)
      : TestTimeTask(context, NormalizationParameters(context.model)),
        sources_(context.sources),
        margin_(context.settings.Real("entropy_margin") * std::log(model_.num_classes())),
        threshold_(std::min(
            1.0, context.settings.Real("redundancy_margin") / std::sqrt(model_.num_classes()))),
        fisher_weight_(context.sources.empty() ? 0.0 : context.settings.Real("fisher_weight")),
        fisher_samples_(context.settings.Integer("fisher_samples")),
        mean_(at::zeros({model_.num_classes()}, device_)) {
    for (const train::NamedParameter& parameter : moving()) {
      anchors_.push_back(parameter.tensor.detach().clone());
      fisher_.push_back(at::zeros_like(anchors_.back()));
    }
  }

  absl::Status BeginEpoch(int64_t epoch, train::StopSignal& stop) override {
    return epoch == 0 && fisher_weight_ > 0 ? MeasureFisher(stop) : absl::OkStatus();
  }

  train::TensorMap State() const override {
    train::TensorMap state = TestTimeTask::State();
    state[kMean] = mean_;
    for (size_t i = 0; i < fisher_.size(); ++i) state[FisherKey(i)] = fisher_[i];
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    if (absl::Status status = TestTimeTask::Restore(state); !status.ok()) return status;
    train::TensorMap own = {{kMean, mean_}};
    for (size_t i = 0; i < fisher_.size(); ++i) own[FisherKey(i)] = fisher_[i];
    return train::CopyInto(own, state);
  }

  void Report(nlohmann::json& report) const override {
    TestTimeTask::Report(report);
    report["eata"] = {{"fisher_term", fisher_weight_ > 0},
                      {"form", fisher_weight_ > 0 ? "EATA" : "ETA: without the Fisher term"}};
  }

 protected:
  absl::StatusOr<train::StepOutput> Adapt(const train::StepInput& input) override {
    const at::Tensor logits =
        model_.Forward(input.target.inputs, model::Mode::kBatchStatistics).logits;
    const at::Tensor kept = Select(logits.detach());
    const int64_t count = kept.sum().item<int64_t>();
    train::StepOutput output;
    output.target_logits = logits.detach();
    output.values["kept"] = static_cast<double>(count) / static_cast<double>(kept.size(0));
    if (count == 0) return output;
    const at::Tensor entropy = losses::WeightedEntropyOf(kept, logits, margin_);
    output.loss = entropy;
    output.parts["entropy"] = entropy;
    if (fisher_weight_ > 0) {
      std::vector<at::Tensor> parameters;
      for (const train::NamedParameter& parameter : moving()) {
        parameters.push_back(parameter.tensor);
      }
      const at::Tensor penalty = losses::FisherPenalty(parameters, anchors_, fisher_);
      output.loss = entropy + fisher_weight_ * penalty;
      output.parts["fisher"] = penalty;
    }
    return output;
  }

 private:
  std::string FisherKey(size_t i) const { return absl::StrCat(kFisher, moving()[i].name); }

  // The samples to learn from; their mean prediction goes into the running one.
  at::Tensor Select(const at::Tensor& logits) {
    at::Tensor kept = losses::ReliableSamples(logits, margin_);
    const at::Tensor probabilities = logits.softmax(1);
    const bool begun = mean_.sum().item<double>() > 0;
    if (begun) kept = kept.logical_and(losses::NovelSamples(probabilities, mean_, threshold_));
    const at::Tensor chosen = probabilities.index({kept});
    if (chosen.size(0) == 0) return kept;
    const at::Tensor mean = chosen.mean(0);
    mean_.copy_(begun ? kMeanDecay * mean_ + (1.0 - kMeanDecay) * mean : mean);
    return kept;
  }

  // The mean over batches of squared gradients of CE(p, argmax p), at the source's weights.
  absl::Status MeasureFisher(train::StopSignal& stop) {
    std::vector<at::Tensor> parameters;
    for (const train::NamedParameter& parameter : moving()) parameters.push_back(parameter.tensor);
    for (at::Tensor& fisher : fisher_) fisher.zero_();
    std::vector<std::pair<const data::Dataset*, at::Tensor>> batches = FisherBatches();
    for (const auto& [source, index] : batches) {
      if (absl::Status status = stop.Check(); !status.ok()) return status;
      const at::Tensor logits =
          model_.Forward(source->Gather(index, device_).inputs, model::Mode::kBatchStatistics)
              .logits;
      const at::Tensor loss = at::cross_entropy_loss(logits, logits.detach().argmax(1));
      const std::vector<at::Tensor> gradients = train::Gradients(loss, parameters);
      for (size_t i = 0; i < gradients.size(); ++i) {
        if (!gradients[i].defined()) continue;
        fisher_[i].add_(gradients[i].square(), 1.0 / static_cast<double>(batches.size()));
      }
    }
    return absl::OkStatus();
  }

  // fisher_samples evenly over all sources, each batch spread over the whole of its source: a file
  // sorted by class gives mixed batches too.
  std::vector<std::pair<const data::Dataset*, at::Tensor>> FisherBatches() const {
    const int64_t share =
        std::max<int64_t>(2, fisher_samples_ / static_cast<int64_t>(sources_.size()));
    std::vector<std::pair<const data::Dataset*, at::Tensor>> batches;
    for (const data::Dataset& source : sources_) {
      const int64_t samples = std::min(share, source.size());
      const int64_t count = std::max<int64_t>(1, samples / kFisherBatch);
      for (int64_t batch = 0; batch < count; ++batch) {
        const at::Tensor place = at::arange(batch, samples, count, at::kLong);
        batches.emplace_back(&source, place.mul(source.size()).floor_divide(samples));
      }
    }
    return batches;
  }

  const std::vector<data::Dataset>& sources_;
  const double margin_;     // E0, in nats
  const double threshold_;  // of the cosine
  const double fisher_weight_;
  const int64_t fisher_samples_;
  at::Tensor mean_;                           // m: [C], zero before the first sample
  std::vector<at::Tensor> anchors_, fisher_;  // by moving parameter
};

}  // namespace

MethodEntry Eata() {
  MethodSpec spec;
  spec.name = "eata";
  spec.title = "Efficient anti-forgetting test-time adaptation (EATA)";
  spec.summary =
      "Minimises entropy through the layers that normalise like TENT, but only on samples that are "
      "sure and not like those before; with source samples a Fisher penalty keeps what the source "
      "needs, without them it is ETA.";
  spec.reference =
      "Niu et al., Efficient Test-Time Model Adaptation without Forgetting, ICML (2022)";
  spec.formula =
      "mean over {H_i < E0, |cos(p_i, m)| < d} of e^{E0 - H_i} H_i + fisher_weight sum_j F_j "
      "(theta_j - theta0_j)^2";
  spec.source = DataNeed::kOptional;
  spec.needs_normalization = true;
  spec.selects_weights = true;
  spec.hyperparameters = Concatenated(
      TestTimeSettings(TestTimeDefaults()),
      {PositiveSetting("entropy_margin", "E0 as a share of ln C, the largest entropy", 0.4, 1.0),
       PositiveSetting("redundancy_margin",
                       "d times the root of C: a sure prediction has cosine C^-0.5 with a balanced "
                       "mean; 1.27 is the paper's 0.4 for 10 classes",
                       1.27, 100.0),
       RealSetting("fisher_weight", "Weight of the Fisher penalty; needs source data", 1.0, 0.0,
                   1e6),
       IntegerSetting("fisher_samples", "Source samples that the Fisher information is taken from",
                      2000, 2, 1000000)});
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            return std::make_unique<EataTask>(context);
          }};
}

}  // namespace acclimate::methods
