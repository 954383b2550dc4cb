// Coordinates of two domains on one scale, or of one domain on the other's.
#ifndef ACCLIMATE_CORE_SHIFT_STANDARDIZATION_H_
#define ACCLIMATE_CORE_SHIFT_STANDARDIZATION_H_

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

struct Scale {
  at::Tensor mean, inverse_deviation;  // [D]; 0 for a coordinate that does not vary

  at::Tensor Apply(const at::Tensor& samples) const { return (samples - mean) * inverse_deviation; }
};

// [n, D]: gives every coordinate mean 0 and variance 1 over the samples.
Scale OwnScale(const at::Tensor& samples);

// [n, D] and [m, D]: gives every coordinate mean 0 and variance 1 over both domains, each domain
// counting the same.
Scale CommonScale(const at::Tensor& source, const at::Tensor& target);

// The target's coordinates moved and scaled to the source's means and variances, as AdaBN does it
// to the input of a layer: the mildest alignment there is.
at::Tensor AlignedMoments(const at::Tensor& source, const at::Tensor& target);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_STANDARDIZATION_H_
