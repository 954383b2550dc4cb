// Linear layers of a method's own, trained beside the model and dropped afterwards: a projection
// head, a map between the features of two networks.
#ifndef ACCLIMATE_CORE_METHODS_SIDE_NETWORK_H_
#define ACCLIMATE_CORE_METHODS_SIDE_NETWORK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "core/train/optimizer.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

// Initialised from the default CPU generator. Not thread-safe.
class SideNetwork {
 public:
  // Layers from widths[i] to widths[i + 1], with ReLU between them. `name` begins the names of its
  // parameters.
  SideNetwork(std::string name, const std::vector<int64_t>& widths, const at::Device& device);
  ~SideNetwork();

  at::Tensor Forward(const at::Tensor& inputs);  // [N, first width] -> [N, last width]

  std::vector<train::NamedParameter> Parameters() const;  // "<name>.<layer>.weight"
  train::TensorMap State() const;
  absl::Status Restore(const train::TensorMap& state);

 private:
  struct Layers;
  const std::string name_;
  const std::unique_ptr<Layers> layers_;
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_SIDE_NETWORK_H_
