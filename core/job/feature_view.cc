#include "core/job/feature_view.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "core/job/evaluation.h"
#include "core/selection/predictions.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using selection::Predictions;

// Enough for a picture; a sixth of the length.
double Rounded(double value) { return std::round(value * 1e3) / 1e3; }

json RoundedValues(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kDouble).contiguous();
  json rounded = json::array();
  for (int64_t i = 0; i < values.numel(); ++i) {
    rounded.push_back(Rounded(values.data_ptr<double>()[i]));
  }
  return rounded;
}

json Integers(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kLong).contiguous();
  return std::vector<int64_t>(values.data_ptr<int64_t>(),
                              values.data_ptr<int64_t>() + values.numel());
}

json Points(const at::Tensor& coordinates, const at::Tensor& classes) {
  return {{"x", RoundedValues(coordinates.select(1, 0))},
          {"y", RoundedValues(coordinates.select(1, 1))},
          {"class", Integers(classes)}};
}

absl::StatusOr<Predictions> PredictSources(model::Model& model,
                                           const std::vector<data::Dataset>& sources, uint64_t seed,
                                           const at::Device& device, train::StopSignal& stop) {
  const int64_t share = std::max<int64_t>(1, kViewSamples / static_cast<int64_t>(sources.size()));
  std::vector<at::Tensor> features, logits, labels;
  for (const data::Dataset& source : sources) {
    absl::StatusOr<Predictions> predictions = selection::Predict(
        model, selection::Sample(source, share, seed, /*labels=*/true), device, stop);
    if (!predictions.ok()) return predictions.status();
    features.push_back(predictions->features);
    logits.push_back(predictions->logits);
    labels.push_back(predictions->labels);
  }
  return Predictions{at::cat(features), at::cat(logits), at::cat(labels)};
}

Predictions Thinned(const Predictions& predictions) {
  const int64_t size = predictions.features.size(0);
  if (size <= kViewSamples) return predictions;
  const at::Tensor rows = (at::arange(kViewSamples, at::kLong) * size).div(kViewSamples, "floor");
  const auto picked = [&rows](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.index_select(0, rows) : tensor;
  };
  return {picked(predictions.features), picked(predictions.logits), picked(predictions.labels)};
}

}  // namespace

Projection PrincipalComponents(const at::Tensor& features) {
  const at::Tensor rows = features.to(at::kDouble);
  const at::Tensor centred = rows - rows.mean(0, /*keepdim=*/true);
  // Of X'X and XX', which have the same eigenvalues, the smaller one.
  const bool narrow = centred.size(1) <= centred.size(0);
  const at::Tensor product = narrow ? centred.t().matmul(centred) : centred.matmul(centred.t());
  at::Tensor values, vectors;
  std::tie(values, vectors) = at::linalg_eigh(product);
  const int64_t kept = std::min<int64_t>(2, product.size(0));
  values = values.clamp_min(0).flip(0);
  vectors = vectors.flip(1).slice(1, 0, kept);
  const at::Tensor largest = values.slice(0, 0, kept);
  at::Tensor coordinates = narrow ? centred.matmul(vectors) : vectors * largest.sqrt();
  // An eigenvector's sign is arbitrary.
  const at::Tensor peaks =
      coordinates.gather(0, coordinates.abs().argmax(0, /*keepdim=*/true)).lt(0);
  coordinates = at::where(peaks, -coordinates, coordinates);
  const at::Tensor shares = largest / values.sum().clamp_min(1e-300);
  return {at::constant_pad_nd(coordinates, {0, 2 - kept}),
          at::constant_pad_nd(shares, {0, 2 - kept})};
}

json PredictionView(const at::Tensor& probabilities) {
  const at::Tensor on_cpu = probabilities.to(at::kCPU, at::kDouble);
  return {{"predicted_prior", RoundedValues(at::nan_to_num(on_cpu.mean(0), 0.0))},
          {"confidence_histogram", Integers(ConfidenceBins(on_cpu).bincount({}, kConfidenceBins))}};
}

json FeatureView(const selection::Sight& sight) {
  const at::NoGradGuard no_grad;
  const Predictions target = Thinned(sight.target);
  std::vector<at::Tensor> features = {target.features};
  absl::optional<Predictions> source;
  if (sight.held_out) {
    source = Thinned(*sight.held_out);
    features.push_back(source->features);
  }
  json view = PredictionView(target.logits.softmax(1));
  const at::Tensor joint = at::cat(features);
  if (!joint.isfinite().all().item<bool>()) return view;
  const Projection projection = PrincipalComponents(joint);
  const at::Tensor scaled =
      projection.coordinates / projection.coordinates.abs().max().clamp_min(1e-300);
  const int64_t target_size = target.features.size(0);
  view["explained_variance"] = RoundedValues(projection.shares);
  view["target"] = Points(scaled.slice(0, 0, target_size), target.logits.argmax(1));
  if (source) view["source"] = Points(scaled.slice(0, target_size), source->labels);
  return view;
}

ViewSamples::ViewSamples(int64_t target_samples, uint64_t seed)
    : rows_(selection::SampleRows(target_samples, kViewSamples, seed)) {}

void ViewSamples::Take(int64_t begin, const model::ForwardResult& part) {
  const int64_t end = begin + part.logits.size(0);
  const at::Tensor here = rows_.masked_select(rows_.ge(begin).logical_and(rows_.lt(end)))
                              .sub(begin)
                              .to(part.logits.device());
  features_.push_back(part.features.index_select(0, here).to(at::kCPU, at::kFloat));
  logits_.push_back(part.logits.index_select(0, here).to(at::kCPU, at::kFloat));
}

Predictions ViewSamples::Taken() const {
  return {at::cat(features_), at::cat(logits_), at::Tensor()};
}

absl::StatusOr<json> FeatureView(model::Model& model, const std::vector<data::Dataset>& sources,
                                 Predictions target, uint64_t seed, const at::Device& device,
                                 train::StopSignal& stop) {
  selection::Sight sight{std::move(target), absl::nullopt, absl::nullopt};
  if (!sources.empty()) {
    absl::StatusOr<Predictions> at_source = PredictSources(model, sources, seed, device, stop);
    if (!at_source.ok()) return at_source.status();
    sight.held_out = *std::move(at_source);
  }
  return FeatureView(sight);
}

absl::StatusOr<json> FeatureView(model::Model& model, const std::vector<data::Dataset>& sources,
                                 const data::Dataset& target, uint64_t seed,
                                 const at::Device& device, train::StopSignal& stop) {
  absl::StatusOr<Predictions> at_target = selection::Predict(
      model, selection::Sample(target, kViewSamples, seed, /*labels=*/false), device, stop);
  if (!at_target.ok()) return at_target.status();
  return FeatureView(model, sources, *std::move(at_target), seed, device, stop);
}

}  // namespace acclimate::job
