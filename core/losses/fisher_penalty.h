// The price of leaving where a model came from, parameter by parameter (Kirkpatrick et al., "EWC",
// PNAS 2017; at test time: Niu et al., "EATA", ICML 2022):
//
//   sum_j F_j (theta_j - theta0_j)^2
#ifndef ACCLIMATE_CORE_LOSSES_FISHER_PENALTY_H_
#define ACCLIMATE_CORE_LOSSES_FISHER_PENALTY_H_

#include <vector>

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// One tensor a parameter, `anchors` and `importance` (F) shaped as `parameters` -> scalar. At least
// one parameter.
at::Tensor FisherPenalty(const std::vector<at::Tensor>& parameters,
                         const std::vector<at::Tensor>& anchors,
                         const std::vector<at::Tensor>& importance);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_FISHER_PENALTY_H_
