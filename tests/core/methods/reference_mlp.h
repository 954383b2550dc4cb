// The built-in mlp in double precision, written out from its weights.
#ifndef ACCLIMATE_TESTS_CORE_METHODS_REFERENCE_MLP_H_
#define ACCLIMATE_TESTS_CORE_METHODS_REFERENCE_MLP_H_

#include <functional>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "core/model/model.h"

namespace acclimate::testing {

struct Moments {
  at::Tensor mean, variance;  // [C]
};

// What a batch norm normalises its input [N, C] with.
using Statistics = std::function<Moments(const std::string& layer, const at::Tensor& input)>;

// Mean and biased variance of the input itself.
Moments OfTheBatch(const std::string& layer, const at::Tensor& input);

class ReferenceMlp {
 public:
  // Copies the weights as they are.
  explicit ReferenceMlp(const model::Model& model);

  model::ForwardResult Forward(const at::Tensor& inputs, const Statistics& statistics) const;
  const at::Tensor& operator[](const std::string& name) const { return tensors_.at(name); }

 private:
  at::Tensor Linear(const std::string& layer, const at::Tensor& input) const;
  // relu(batch norm(linear(input)))
  at::Tensor Block(const std::string& linear, const std::string& norm, const at::Tensor& input,
                   const Statistics& statistics) const;

  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_CORE_METHODS_REFERENCE_MLP_H_
