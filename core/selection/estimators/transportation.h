// The transportation problem from many samples of equal mass to a few classes.
#ifndef ACCLIMATE_CORE_SELECTION_ESTIMATORS_TRANSPORTATION_H_
#define ACCLIMATE_CORE_SELECTION_ESTIMATORS_TRANSPORTATION_H_

#include <ATen/core/Tensor.h>

namespace acclimate::selection {

struct Transportation {
  double value = 0;   // sum_ic T_ic s_ic
  at::Tensor prices;  // v, double [C] on the CPU
};

//   maximise  sum_ic T_ic s_ic   over T >= 0 with  sum_c T_ic = 1/N,  sum_i T_ic = q_c
//
// to the optimum, by successive shortest paths between the C classes (Ahuja, Magnanti & Orlin,
// Network Flows, 1993, 9.7): each sample begins in the class that it scores highest, and mass moves
// from classes that have too much along the path that costs least. Prices solve the dual problem,
//
//   minimise  mean_i max_c (s_ic + v_c) - sum_c q_c v_c,
//
// whose minimum is `value`. Shares are rounded to multiples of 1 / (2^20 N), which moves the value
// by less than C max|s| / (2^20 N). For scores of 2000 samples: 10 classes take about a
// millisecond, 1000 classes about a second.
//
// scores: [N, C], finite, on any device; shares: [C], >= 0 with a positive sum, to which they are
// scaled.
Transportation Transport(const at::Tensor& scores, const at::Tensor& shares);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_ESTIMATORS_TRANSPORTATION_H_
