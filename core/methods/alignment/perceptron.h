// Layers of a task's own, beside the model: domain classifiers, second heads.
#ifndef ACCLIMATE_CORE_METHODS_ALIGNMENT_PERCEPTRON_H_
#define ACCLIMATE_CORE_METHODS_ALIGNMENT_PERCEPTRON_H_

#include <cstdint>
#include <memory>
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
  ~Perceptron();

  // [N, inputs] -> [N, outputs]; batch statistics over all N.
  at::Tensor Forward(const at::Tensor& inputs);

  std::vector<train::NamedParameter> Parameters() const;
  train::TensorMap State() const;
  // INVALID_ARGUMENT names a missing or misshapen tensor; others are left alone.
  absl::Status Restore(const train::TensorMap& state);

 private:
  struct Network;
  const std::string name_;
  std::unique_ptr<Network> network_;
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_ALIGNMENT_PERCEPTRON_H_
