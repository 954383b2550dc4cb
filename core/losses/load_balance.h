// Load balance of a mixture of experts (Fedus et al., "Switch Transformers", JMLR 23 (2022)): keeps
// the gate from handing every sample to the same expert.
//
//   E sum_e share_e mean_i g_ie,    share_e = share of the samples whose largest gate is e, held
#ifndef ACCLIMATE_CORE_LOSSES_LOAD_BALANCE_H_
#define ACCLIMATE_CORE_LOSSES_LOAD_BALANCE_H_

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// gates: [N, E], rows sum to 1 -> scalar in (0, E]: 1 where all experts have the same share, E
// where one of them has everything.
at::Tensor LoadBalance(const at::Tensor& gates);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_LOAD_BALANCE_H_
