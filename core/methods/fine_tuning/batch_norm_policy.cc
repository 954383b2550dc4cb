#include "core/methods/fine_tuning/batch_norm_policy.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/methods/settings.h"

namespace acclimate::methods {
namespace {

constexpr char kPolicy[] = "batch_norm";
constexpr char kAlpha[] = "batch_norm_alpha";
constexpr char kBatchName[] = "batch_statistics";
constexpr char kSourceName[] = "source_statistics";
constexpr char kTargetName[] = "target_statistics";
constexpr char kMixedName[] = "mixed";
constexpr char kAutoName[] = "auto";
constexpr char kDecision[] = "batch_norm";  // in a state: kind, similarity

// What the coefficient is when every channel's mean has moved by so many of its deviations.
double SimilarityAfter(double deviations) { return std::exp(-deviations * deviations / 8); }

// Of `auto`: a choice, not measured. Below half a deviation two normal distributions overlap in
// more than four fifths of their mass, above a whole one in less than five eighths.
constexpr double kSameDomainDeviations = 0.5;
constexpr double kOtherDomainDeviations = 1.0;

}  // namespace

std::vector<HyperparameterSpec> BatchNormSettings() {
  return {ChoiceSetting(kPolicy,
                        "Statistics of batch norm: of each batch, while the stored ones follow; "
                        "the checkpoint's, which stay; the target's; a mixture, which stays; or "
                        "whichever of the last three the similarity of the domains suggests",
                        kBatchName, {kBatchName, kSourceName, kTargetName, kMixedName, kAutoName}),
          RealSetting(kAlpha, "Share of the target's statistics in a mixture", 0.5, 0.0, 1.0)};
}

absl::Status CheckBatchNormPolicy(const MethodContext& context) {
  const std::string& policy = context.settings.Text(kPolicy);
  if (policy == kBatchName) return absl::OkStatus();
  if (context.fresh) {
    return absl::InvalidArgumentError(
        absl::StrCat("hyperparameters.batch_norm: ", policy,
                     " starts from the statistics of a checkpoint; there is none"));
  }
  if (context.model.batch_norm_layers().empty()) {
    return absl::InvalidArgumentError(absl::StrCat("hyperparameters.batch_norm: ", policy,
                                                   " needs batch-norm layers; the model has none"));
  }
  return absl::OkStatus();
}

at::Tensor ChannelSimilarity(const ChannelStatistics& source, const ChannelStatistics& target) {
  const at::Tensor sum = source.variance + target.variance;
  const at::Tensor spread = (2 * (source.variance * target.variance).sqrt() / sum).sqrt();
  return spread * (-(source.mean - target.mean).square() / (4 * sum)).exp();
}

BatchNormPolicy::BatchNormPolicy(const MethodContext& context)
    : model_(context.model),
      target_(context.target),
      device_(context.device),
      automatic_(context.settings.Text(kPolicy) == kAutoName),
      alpha_(context.settings.Real(kAlpha)),
      kind_(KindNamed(context.settings.Text(kPolicy))) {
  for (const model::BatchNormLayer& norm : model_.batch_norm_layers()) {
    source_.push_back({norm.running_mean.detach().clone(), norm.running_var.detach().clone()});
  }
}

// `auto` goes by batches until it has decided.
BatchNormPolicy::Kind BatchNormPolicy::KindNamed(const std::string& name) {
  if (name == kSourceName) return Kind::kSource;
  if (name == kTargetName) return Kind::kTarget;
  return name == kMixedName ? Kind::kMixed : Kind::kBatch;
}

std::string BatchNormPolicy::NameOf(Kind kind) {
  switch (kind) {
    case Kind::kSource:
      return kSourceName;
    case Kind::kTarget:
      return kTargetName;
    case Kind::kMixed:
      return kMixedName;
    case Kind::kBatch:
      break;
  }
  return kBatchName;
}

model::Mode BatchNormPolicy::mode() const {
  const bool stay = kind_ == Kind::kSource || kind_ == Kind::kMixed;
  return stay ? model::Mode::kEvaluation : model::Mode::kTraining;
}

absl::Status BatchNormPolicy::Begin(train::StopSignal& stop) {
  if (kind_ == Kind::kBatch && !automatic_) return absl::OkStatus();
  ReturnToSource();
  if (automatic_) {
    const absl::StatusOr<double> similarity = MeasureSimilarity(stop);
    if (!similarity.ok()) return similarity.status();
    similarity_ = *similarity;
    kind_ = similarity_ >= SimilarityAfter(kSameDomainDeviations)   ? Kind::kSource
            : similarity_ < SimilarityAfter(kOtherDomainDeviations) ? Kind::kTarget
                                                                    : Kind::kMixed;
  }
  if (kind_ == Kind::kTarget) return RecomputeStatistics(model_, target_, device_, stop);
  if (kind_ == Kind::kSource) return absl::OkStatus();
  return AdaptStatistics(model_, target_, device_, alpha_, stop);
}

absl::Status BatchNormPolicy::End(train::StopSignal& stop) {
  if (kind_ != Kind::kTarget) return absl::OkStatus();
  return RecomputeStatistics(model_, target_, device_, stop);
}

void BatchNormPolicy::ReturnToSource() {
  const at::NoGradGuard no_grad;
  for (size_t layer = 0; layer < source_.size(); ++layer) {
    const model::BatchNormLayer& norm = model_.batch_norm_layers()[layer];
    norm.running_mean.copy_(source_[layer].mean);
    norm.running_var.copy_(source_[layer].variance);
  }
}

absl::StatusOr<double> BatchNormPolicy::MeasureSimilarity(train::StopSignal& stop) {
  const absl::StatusOr<std::vector<ChannelStatistics>> target =
      MeasureStatistics(model_, target_, device_, /*share=*/0.0, stop);
  if (!target.ok()) return target.status();
  std::vector<at::Tensor> similarities;
  for (size_t layer = 0; layer < source_.size(); ++layer) {
    // A channel that is always zero has the variance that batch norm divides by.
    const double eps = model_.batch_norm_layers()[layer].eps;
    similarities.push_back(ChannelSimilarity(
        {source_[layer].mean.to(at::kDouble), source_[layer].variance.to(at::kDouble) + eps},
        {(*target)[layer].mean, (*target)[layer].variance + eps}));
  }
  return at::cat(similarities).mean().item<double>();
}

train::TensorMap BatchNormPolicy::State() const {
  if (!automatic_) return {};
  return {{kDecision, at::tensor({static_cast<double>(kind_), similarity_}, at::kDouble)}};
}

absl::Status BatchNormPolicy::Restore(const train::TensorMap& state) {
  if (!automatic_) return absl::OkStatus();
  const auto it = state.find(kDecision);
  if (it == state.end() || it->second.numel() != 2) {
    return absl::InvalidArgumentError("training state: no batch-norm policy");
  }
  const double kind = it->second[0].item<double>();
  for (const Kind known : {Kind::kBatch, Kind::kSource, Kind::kTarget, Kind::kMixed}) {
    if (kind == static_cast<double>(known)) kind_ = known;
  }
  similarity_ = it->second[1].item<double>();
  return absl::OkStatus();
}

std::string BatchNormPolicy::Decision() const {
  const std::string measured = absl::StrFormat("similarity of the domains %.3f: ", similarity_);
  switch (kind_) {
    case Kind::kSource:
      return absl::StrCat(measured, "much alike, the source's statistics stay");
    case Kind::kTarget:
      return absl::StrCat(measured, "far apart, the target's statistics are taken");
    default:
      return absl::StrFormat("%sin between, %.2f of the target's statistics are mixed in", measured,
                             alpha_);
  }
}

nlohmann::json BatchNormPolicy::Report() const {
  nlohmann::json report = {{"policy", NameOf(kind_)}};
  if (kind_ == Kind::kMixed) report["alpha"] = alpha_;
  if (automatic_) {
    report["similarity"] = similarity_;
    report["decision"] = Decision();
  }
  return report;
}

std::vector<std::string> BatchNormPolicy::Warnings() const {
  if (!automatic_) return {};
  return {absl::StrCat("batch_norm auto: ", Decision())};
}

}  // namespace acclimate::methods
