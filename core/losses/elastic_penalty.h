// Elastic weight consolidation (Kirkpatrick et al., PNAS 114, 2017):
//
//   1/2 sum_j F_j (theta_j - theta*_j)^2
//
// F_j the importance of weight j for what was learned before, theta* the weights then.
#ifndef ACCLIMATE_CORE_LOSSES_ELASTIC_PENALTY_H_
#define ACCLIMATE_CORE_LOSSES_ELASTIC_PENALTY_H_

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace acclimate::losses {

// By parameter, shaped alike in all three -> scalar. A parameter without importance is free.
at::Tensor ElasticPenalty(const std::map<std::string, at::Tensor>& parameters,
                          const std::map<std::string, at::Tensor>& anchor,
                          const std::map<std::string, at::Tensor>& importance);

}  // namespace acclimate::losses

#endif  // ACCLIMATE_CORE_LOSSES_ELASTIC_PENALTY_H_
