// A classifier whose head is several experts and a gate, as one model.
//
//   logits = log sum_e g_e(f) softmax(W_e f + b_e),    g(f) = softmax(V f + a)
//
// Probabilities are mixed, not logits; f are the features of the network below. Experts and gate
// are the rows of the one classifier layer, so that the mixture is a TorchScript module like any
// other: it loads, adapts and saves again as itself.
#ifndef ACCLIMATE_CORE_MODEL_MIXTURE_H_
#define ACCLIMATE_CORE_MODEL_MIXTURE_H_

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/model/model.h"

namespace acclimate::model {

// An attribute of a mixture's module: its classes, which its classifier layer does not tell.
constexpr char kMixtureClasses[] = "acclimate_mixture_classes";

// Every expert is a copy of the model's classifier layer, and the gate opens all of them alike: the
// mixture begins as log softmax of the model. Its weights are its own, its precision the model's.
// The layer must be a plain linear one, classes first, whose output is what forward() returns;
// INVALID_ARGUMENT where forward() returns anything but one tensor.
absl::StatusOr<std::unique_ptr<Model>> MakeMixture(const Model& model, int64_t experts);

struct ExpertOutputs {
  at::Tensor logits;  // [N, E, C]: of each expert by itself
  at::Tensor gates;   // [N, E]: g, rows sum to 1
};

// What the parts say that the mixture's Forward() joins. features: [N, D], as it returns them.
ExpertOutputs RunExperts(const Model& mixture, const at::Tensor& features);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_MIXTURE_H_
