// How far apart two domains are at one place: the inputs, a level of the network, the logits.
#ifndef ACCLIMATE_CORE_SHIFT_PLACE_MEASURES_H_
#define ACCLIMATE_CORE_SHIFT_PLACE_MEASURES_H_

#include <cstdint>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace acclimate::shift {

struct PlaceMeasures {
  double js_divergence = 0;   // of histograms, the mean over the coordinates, in [0, ln 2]
  double mmd_squared = 0;     // mmd_test.h
  double mmd_p_value = 1;     // mmd_test.h
  double a_distance = 0;      // domain_classifier.h, in [0, 2]
  double coral_distance = 0;  // losses/coral.h, over coordinates standardised for both domains
};

// source: [n, D], target: [m, D], two rows a side at least.
PlaceMeasures MeasurePlace(const at::Tensor& source, const at::Tensor& target, int64_t permutations,
                           at::Generator generator);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_PLACE_MEASURES_H_
