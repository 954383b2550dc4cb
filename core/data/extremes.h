// Values so far out that no statistics of the rest describe them.
#ifndef ACCLIMATE_CORE_DATA_EXTREMES_H_
#define ACCLIMATE_CORE_DATA_EXTREMES_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "core/data/dataset.h"

namespace acclimate::data {

struct Extremes {
  int64_t samples = 0;  // that have one
  int64_t sample = 0;   // the one with the largest
  int64_t place = 0;    // of that value in the flattened sample
  double value = 0;     // as the model would see it: normalised
};

// Of the normalised inputs, those whose magnitude is over `limit`. One pass over the data; nothing
// of uint8, whose range is known.
Extremes FindExtremes(const Dataset& dataset, double limit);

// int64 [n] on the CPU, rising: the samples whose largest normalised magnitude is at most `most`
// times the median of these magnitudes over the dataset. One pass over the data, as above; every
// sample of uint8, and where that median is 0.
at::Tensor UsualSamples(const Dataset& dataset, double most);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_EXTREMES_H_
