// How good features are, measured on labelled samples: a linear classifier and the nearest
// neighbours, fitted on one part and counted on another. For reports; nothing is chosen by it.
#ifndef ACCLIMATE_CORE_METHODS_REPRESENTATION_REPRESENTATION_PROBE_H_
#define ACCLIMATE_CORE_METHODS_REPRESENTATION_REPRESENTATION_PROBE_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

// features: float [N, D]; labels: int64 [N].
struct LabelledFeatures {
  at::Tensor features, labels;
};

// Of shift::FitLinearClassifier() with L2 1e-4: int64 [M] for [M, D].
at::Tensor LinearProbePredictions(const LabelledFeatures& fit, const at::Tensor& features);

// Votes of the `neighbours` samples of largest cosine s, with weight exp(s / 0.07) (Wu et al.,
// "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", CVPR 2018).
at::Tensor NeighbourPredictions(const LabelledFeatures& fit, const at::Tensor& features,
                                int64_t neighbours);

struct ProbeScores {
  int64_t fitted = 0, evaluated = 0;  // samples
  double linear_accuracy = 0, neighbour_accuracy = 0;
};

// The model's features (evaluation mode) of the samples order[0, N/2) are fitted, the rest counted;
// 20 neighbours. order: a permutation, int64 [N], N >= 2.
absl::StatusOr<ProbeScores> ProbeFeatures(model::Model& model, const data::Dataset& dataset,
                                          const at::Tensor& order, const at::Device& device,
                                          train::StopSignal& stop);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_REPRESENTATION_REPRESENTATION_PROBE_H_
