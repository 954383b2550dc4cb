#include "core/job/evaluation.h"

#include <ATen/ATen.h>

#include "core/train/pass.h"

namespace acclimate::job {
namespace {

// A model that diverged predicts NaN: no confidence at all.
at::Tensor Confidences(const at::Tensor& probabilities) {
  return at::nan_to_num(probabilities.amax(1).to(at::kDouble), 0.0);
}

void CountConfidences(const at::Tensor& probabilities, const at::Tensor& labels,
                      at::Tensor& reliability) {
  const at::Tensor confidences = Confidences(probabilities);
  const at::Tensor right = probabilities.argmax(1).eq(labels).to(at::kDouble);
  reliability.index_add_(0, ConfidenceBins(probabilities),
                         at::stack({at::ones_like(right), confidences, right}, 1));
}

}  // namespace

at::Tensor ConfidenceBins(const at::Tensor& probabilities) {
  return (Confidences(probabilities) * kConfidenceBins).to(at::kLong).clamp(0, kConfidenceBins - 1);
}

Evaluation EmptyEvaluation(int64_t classes) {
  return {at::zeros({classes, classes}, at::kLong), at::zeros({kConfidenceBins, 3}, at::kDouble)};
}

void CountLogits(const at::Tensor& logits, const at::Tensor& labels, Evaluation& evaluation) {
  train::CountPredictions(logits, labels.to(logits.device()), evaluation.confusion);
  CountConfidences(logits.softmax(1, at::kFloat).to(at::kCPU), labels.to(at::kCPU),
                   evaluation.reliability);
}

absl::StatusOr<Evaluation> Evaluate(model::Model& model, const data::Dataset& dataset,
                                    const at::Device& device, train::StopSignal& stop) {
  Evaluation evaluation = EmptyEvaluation(model.num_classes());
  const absl::Status status =
      train::ForEachBatch(dataset, device, stop, [&](int64_t, const data::Batch& batch) {
        CountLogits(model.Forward(batch.inputs, model::Mode::kEvaluation).logits, batch.labels,
                    evaluation);
      });
  if (!status.ok()) return status;
  return evaluation;
}

Evaluation CountProbabilities(const at::Tensor& probabilities, const at::Tensor& labels) {
  Evaluation evaluation = EmptyEvaluation(probabilities.size(1));
  train::CountPredictions(probabilities, labels, evaluation.confusion);
  CountConfidences(probabilities.to(at::kCPU), labels.to(at::kCPU), evaluation.reliability);
  return evaluation;
}

}  // namespace acclimate::job
