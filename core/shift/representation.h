// What passes through a level of a network, as a few hundred numbers a sample.
#ifndef ACCLIMATE_CORE_SHIFT_REPRESENTATION_H_
#define ACCLIMATE_CORE_SHIFT_REPRESENTATION_H_

#include <cstdint>
#include <map>

#include <ATen/core/Tensor.h>

namespace acclimate::shift {

// Maps with 16 channels or more become each channel's mean and deviation over the places; anything
// else is flattened. More than 256 numbers go through a Gaussian random projection, which keeps
// distances (Johnson & Lindenstrauss 1984). The same level is always reduced in the same way, for
// one seed.
class Reducer {
 public:
  static constexpr int64_t kMostCoordinates = 256;

  explicit Reducer(uint64_t seed) : seed_(seed) {}

  // tensor: [N, ...] on any device -> float32 [N, <= 256] on the CPU.
  at::Tensor Reduce(size_t level, const at::Tensor& tensor);

 private:
  const at::Tensor& Projection(size_t level, const at::Tensor& flat);

  const uint64_t seed_;
  std::map<size_t, at::Tensor> projections_;  // [D, 256]
};

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_REPRESENTATION_H_
