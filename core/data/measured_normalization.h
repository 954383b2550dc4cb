// The mean and the deviation of each channel of data.
#ifndef ACCLIMATE_CORE_DATA_MEASURED_NORMALIZATION_H_
#define ACCLIMATE_CORE_DATA_MEASURED_NORMALIZATION_H_

#include <vector>

#include "core/data/dataset.h"

namespace acclimate::data {

struct MeasuredNormalization {
  Normalization normalization;  // one value a channel: of a table, a feature
  double zero_share = 0;        // of the values that were looked at
};

// Over all datasets together, which have samples of one shape and no mean and std yet; at least
// one. A channel whose values are all equal has the deviation 1. One pass over the data; of more
// than 2^28 values, over samples at equal distances, at least 10,000.
MeasuredNormalization MeasureNormalization(const std::vector<const Dataset*>& datasets);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_MEASURED_NORMALIZATION_H_
