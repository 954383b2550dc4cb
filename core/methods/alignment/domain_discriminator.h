// The domain classifier of adversarial methods.
#ifndef ACCLIMATE_CORE_METHODS_ALIGNMENT_DOMAIN_DISCRIMINATOR_H_
#define ACCLIMATE_CORE_METHODS_ALIGNMENT_DOMAIN_DISCRIMINATOR_H_

#include <cstdint>
#include <string>
#include <utility>

#include <ATen/core/Tensor.h>

#include "core/methods/alignment/perceptron.h"

namespace acclimate::methods {

// Three linear layers with batch norm and ReLU between them (TLlib's): [N, features] -> one logit a
// sample, [N, 1].
class DomainDiscriminator : public Perceptron {
 public:
  DomainDiscriminator(int64_t features, int64_t width, const at::Device& device,
                      std::string name = "discriminator")
      : Perceptron(std::move(name), {features, width, width, 1}, Norm::kBatch, device) {}
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_ALIGNMENT_DOMAIN_DISCRIMINATOR_H_
