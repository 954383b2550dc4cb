// How often a model is right over labelled data, and how sure it is of it.
#ifndef ACCLIMATE_CORE_JOB_EVALUATION_H_
#define ACCLIMATE_CORE_JOB_EVALUATION_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/train/stop_signal.h"

namespace acclimate::job {

constexpr int64_t kConfidenceBins = 10;  // of equal width, over [0, 1]

// Undefined tensors where nothing was evaluated.
struct Evaluation {
  at::Tensor confusion;    // int64 [C, C]: row = true class, column = predicted class
  at::Tensor reliability;  // double [kConfidenceBins, 3]: samples, sum of confidences, right ones
};

// Nothing counted yet, of a model with so many classes.
Evaluation EmptyEvaluation(int64_t classes);
// Adds a batch: logits [B, C] as they came, labels int64 [B].
void CountLogits(const at::Tensor& logits, const at::Tensor& labels, Evaluation& evaluation);

// A pass over a labelled dataset in evaluation mode. CANCELLED as soon as `stop` says so.
absl::StatusOr<Evaluation> Evaluate(model::Model& model, const data::Dataset& dataset,
                                    const at::Device& device, train::StopSignal& stop);

// Of predictions that were made already: probabilities [N, C], labels int64 [N].
Evaluation CountProbabilities(const at::Tensor& probabilities, const at::Tensor& labels);

// The bin of each confidence max_c p_c: int64 [N]. probabilities: [N, C] on the CPU.
at::Tensor ConfidenceBins(const at::Tensor& probabilities);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_EVALUATION_H_
