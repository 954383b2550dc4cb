// The domain classifier of adversarial methods.
#ifndef ACCLIMATE_CORE_METHODS_DOMAIN_DISCRIMINATOR_H_
#define ACCLIMATE_CORE_METHODS_DOMAIN_DISCRIMINATOR_H_

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "core/train/optimizer.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

// Three linear layers with batch norm and ReLU between them (TLlib's), initialised from the default
// CPU generator. Not thread-safe.
class DomainDiscriminator {
 public:
  DomainDiscriminator(int64_t features, int64_t width, const at::Device& device);
  ~DomainDiscriminator();

  // [N, features] -> one logit a sample, [N, 1]; batch statistics over all N.
  at::Tensor Forward(const at::Tensor& features);

  std::vector<train::NamedParameter> Parameters() const;  // "discriminator.<name>"
  train::TensorMap State() const;
  absl::Status Restore(const train::TensorMap& state);

 private:
  struct Network;
  std::unique_ptr<Network> network_;
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_DOMAIN_DISCRIMINATOR_H_
