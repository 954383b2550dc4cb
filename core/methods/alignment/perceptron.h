// Layers of a task's own, beside the model: domain classifiers, second heads.
#ifndef ACCLIMATE_CORE_METHODS_ALIGNMENT_PERCEPTRON_H_
#define ACCLIMATE_CORE_METHODS_ALIGNMENT_PERCEPTRON_H_

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "core/train/optimizer.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

// Linear layers with ReLU between them, and batch norm before each ReLU if asked for. Initialised
// from the default CPU generator. Always in training mode. Not thread-safe.
class Perceptron {
 public:
  enum class Norm { kNone, kBatch };

  // widths: inputs, hidden layers if any, outputs. `name` comes before every tensor's own.
  Perceptron(std::string name, const std::vector<int64_t>& widths, Norm norm,
             const at::Device& device);

  // [N, inputs] -> [N, outputs]; batch statistics over all N.
  at::Tensor Forward(const at::Tensor& inputs);

  const std::vector<train::NamedParameter>& Parameters() const { return parameters_; }
  train::TensorMap State() const;
  // INVALID_ARGUMENT names a missing or misshapen tensor; others are left alone.
  absl::Status Restore(const train::TensorMap& state);

 private:
  struct Layer {
    at::Tensor norm_weight, norm_bias;  // of the batch norm before it; undefined without one
    at::Tensor weight, bias;
  };
  std::vector<Layer> layers_;
  std::vector<train::NamedParameter> parameters_;  // the layers' own
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_ALIGNMENT_PERCEPTRON_H_
