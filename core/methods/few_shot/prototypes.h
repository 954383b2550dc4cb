// Class means as a classifier (Snell et al., Prototypical Networks, NIPS 2017).
#ifndef ACCLIMATE_CORE_METHODS_FEW_SHOT_PROTOTYPES_H_
#define ACCLIMATE_CORE_METHODS_FEW_SHOT_PROTOTYPES_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/methods/few_shot/linear_head.h"

namespace acclimate::methods {

// c_k, the mean feature of class k: features [N, D], labels int64 [N] in [0, classes) ->
// [classes, D]. A class without samples gets a row of NaN.
at::Tensor Prototypes(const at::Tensor& features, const at::Tensor& labels, int64_t classes);

// logit_k = -|f - c_k|^2 + |f|^2 = 2 f.c_k - |c_k|^2: the softmax over the negative squared
// distances, as a linear layer has it. weight [C, D], bias [C].
struct PrototypeLayer {
  at::Tensor weight, bias;
};
PrototypeLayer LinearForm(const at::Tensor& prototypes);

// The classifier of a model that prototypes can be written into. INVALID_ARGUMENT: not a linear
// layer with a bias.
absl::StatusOr<LinearHead> HeadForPrototypes(model::Model& model);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_FEW_SHOT_PROTOTYPES_H_
