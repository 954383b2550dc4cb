// How well a model's features and predictions suit labelled data, without training: for choosing
// among several checkpoints. Higher is better in each; only differences between models on the same
// data mean something.
#ifndef ACCLIMATE_CORE_SHIFT_TRANSFER_SCORES_H_
#define ACCLIMATE_CORE_SHIFT_TRANSFER_SCORES_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

struct TransferScores {
  double logme = 0;      // logme.h
  double leep = 0;       // leep.h
  double nce = 0;        // nce.h
  double h_score = 0;    // h_score.h
  double transrate = 0;  // transrate.h
};

// features: [N, D], logits: [N, Z] of the model; labels: int64 [N] in [0, classes).
TransferScores ScoreTransfer(const at::Tensor& features, const at::Tensor& logits,
                             const at::Tensor& labels, int64_t classes);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_TRANSFER_SCORES_H_
