// Values so far out that no statistics of the rest describe them.
#ifndef ACCLIMATE_CORE_DATA_EXTREMES_H_
#define ACCLIMATE_CORE_DATA_EXTREMES_H_

#include <cstdint>

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

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_EXTREMES_H_
