// The classifier layer of a model as the linear map that it is: logits = f W' + b.
#ifndef ACCLIMATE_CORE_METHODS_FEW_SHOT_LINEAR_HEAD_H_
#define ACCLIMATE_CORE_METHODS_FEW_SHOT_LINEAR_HEAD_H_

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/model/model.h"

namespace acclimate::methods {

// The tensors alias the model's own.
class LinearHead {
 public:
  // INVALID_ARGUMENT: the classifier is no plain linear layer (weight [C, D] or [C, D, 1, 1], with
  // or without bias), or its width is not known before a forward pass.
  static absl::StatusOr<LinearHead> Of(model::Model& model);

  // The parameters by name: what ForwardWith() and Logits() take in their place.
  std::map<std::string, at::Tensor> Parameters() const;

  // The same names with other values, in the shapes of the model's own. weight [C, D], bias [C].
  std::map<std::string, at::Tensor> Named(const at::Tensor& weight, const at::Tensor& bias) const;

  // features [N, D] -> logits [N, C] with `parameters` in place of the model's.
  at::Tensor Logits(const at::Tensor& features,
                    const std::map<std::string, at::Tensor>& parameters) const;

  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& bias() const { return bias_; }  // undefined when there is none

 private:
  std::string weight_name_, bias_name_;
  at::Tensor weight_, bias_;
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_FEW_SHOT_LINEAR_HEAD_H_
