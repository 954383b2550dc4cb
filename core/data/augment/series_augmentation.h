// Random changes of vectors and series, one drawn for each sample of a batch, all of them applied
// together.
#ifndef ACCLIMATE_CORE_DATA_AUGMENT_SERIES_AUGMENTATION_H_
#define ACCLIMATE_CORE_DATA_AUGMENT_SERIES_AUGMENTATION_H_

#include <ATen/core/Tensor.h>

namespace acclimate::data {

// How strong each change may be; 0: off.
struct SeriesAugmentation {
  double jitter = 0;   // standard deviation of added noise, in that of the feature
  double scaling = 0;  // standard deviation of a factor about the feature's mean, one a channel of
                       // a series, one a vector
  double masking = 0;  // vectors: share of the features that are set to their mean; series: the
                       // longest window, as a share of the length, that is
};

// One draw for each of N samples; undefined tensors change nothing.
struct SeriesTransform {
  at::Tensor noise;   // as the inputs, in standard deviations
  at::Tensor factor;  // [N, 1] or [N, C, 1]
  at::Tensor masked;  // bool, [N, D] or [N, 1, L]
};

// Where a feature lies: [D] of vectors, [C, 1] of series.
struct FeatureStatistics {
  at::Tensor mean, deviation;
};

// sample: float [N, D] or [N, C, L].
FeatureStatistics StatisticsOf(const at::Tensor& sample);

// From the default generator of `device`, for [N, D] or [N, C, L].
SeriesTransform DrawSeriesTransform(const SeriesAugmentation& augmentation, at::IntArrayRef sizes,
                                    const at::Device& device);

// inputs: float [N, D] or [N, C, L] -> the same shape. In order: scaling, jitter, masking.
at::Tensor Apply(const SeriesTransform& transform, const FeatureStatistics& statistics,
                 const at::Tensor& inputs);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_AUGMENT_SERIES_AUGMENTATION_H_
