#include "core/losses/load_balance.h"

#include <ATen/ATen.h>

namespace acclimate::losses {

at::Tensor LoadBalance(const at::Tensor& gates) {
  const int64_t experts = gates.size(1);
  const at::Tensor shares = at::one_hot(gates.argmax(1), experts).to(gates.scalar_type()).mean(0);
  return static_cast<double>(experts) * (shares * gates.mean(0)).sum();
}

}  // namespace acclimate::losses
