#include "core/losses/elastic_penalty.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor ElasticPenalty(const std::map<std::string, at::Tensor>& parameters,
                          const std::map<std::string, at::Tensor>& anchor,
                          const std::map<std::string, at::Tensor>& importance) {
  at::Tensor sum;
  for (const auto& [name, weight] : importance) {
    const at::Tensor term = (weight * (parameters.at(name) - anchor.at(name)).square()).sum();
    sum = sum.defined() ? sum + term : term;
  }
  return 0.5 * sum;
}

}  // namespace acclimate::losses
