#include "core/methods/representation/representation_probe.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <vector>

#include "core/losses/unit_rows.h"
#include "core/shift/linear_classifier.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

constexpr double kProbePenalty = 1e-4;  // a sample
constexpr int64_t kNeighbours = 20;
constexpr double kVoteTemperature = 0.07;  // Wu et al. (2018)
constexpr int64_t kRowsAtOnce = 1024;      // of the distances, to bound their memory

int64_t Classes(const at::Tensor& labels) { return labels.max().item<int64_t>() + 1; }

double Agreement(const at::Tensor& predicted, const at::Tensor& labels) {
  return predicted.eq(labels).to(at::kDouble).mean().item<double>();
}

}  // namespace

at::Tensor LinearProbePredictions(const LabelledFeatures& fit, const at::Tensor& features) {
  const shift::LinearClassifier probe =
      shift::FitLinearClassifier(fit.features, fit.labels, Classes(fit.labels), kProbePenalty);
  const at::NoGradGuard no_grad;
  return probe.Logits(features).argmax(1);
}

at::Tensor NeighbourPredictions(const LabelledFeatures& fit, const at::Tensor& features,
                                int64_t neighbours) {
  const at::NoGradGuard no_grad;
  const at::Tensor known = losses::UnitRows(fit.features), asked = losses::UnitRows(features);
  const int64_t count = std::min(neighbours, known.size(0));
  std::vector<at::Tensor> predictions;
  for (int64_t begin = 0; begin < asked.size(0); begin += kRowsAtOnce) {
    const at::Tensor rows = asked.slice(0, begin, begin + kRowsAtOnce);
    const auto [cosines, index] = rows.mm(known.t()).topk(count, 1);
    at::Tensor votes = at::zeros({rows.size(0), Classes(fit.labels)}, rows.options());
    votes.scatter_add_(1, fit.labels.take(index), (cosines / kVoteTemperature).exp());
    predictions.push_back(votes.argmax(1));
  }
  return at::cat(predictions);
}

absl::StatusOr<ProbeScores> ProbeFeatures(model::Model& model, const data::Dataset& dataset,
                                          const at::Tensor& order, const at::Device& device,
                                          train::StopSignal& stop) {
  std::vector<at::Tensor> batches;
  const absl::Status status =
      train::ForEachBatch(dataset, device, stop, [&](int64_t, const data::Batch& batch) {
        batches.push_back(model.Forward(batch.inputs, model::Mode::kEvaluation).features);
      });
  if (!status.ok()) return status;
  const at::Tensor place = order.to(device);
  const at::Tensor features = at::cat(batches).index_select(0, place);
  const at::Tensor labels = dataset.labels().to(device).index_select(0, place);
  ProbeScores scores;
  scores.fitted = dataset.size() / 2;
  scores.evaluated = dataset.size() - scores.fitted;
  const LabelledFeatures fit = {features.narrow(0, 0, scores.fitted),
                                labels.narrow(0, 0, scores.fitted)};
  const LabelledFeatures rest = {features.narrow(0, scores.fitted, scores.evaluated),
                                 labels.narrow(0, scores.fitted, scores.evaluated)};
  scores.linear_accuracy = Agreement(LinearProbePredictions(fit, rest.features), rest.labels);
  scores.neighbour_accuracy =
      Agreement(NeighbourPredictions(fit, rest.features, kNeighbours), rest.labels);
  return scores;
}

}  // namespace acclimate::methods
