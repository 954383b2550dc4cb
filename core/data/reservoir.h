// A uniform sample of a stream in bounded memory: algorithm R (Vitter, ACM TOMS 11, 1985).
#ifndef ACCLIMATE_CORE_DATA_RESERVOIR_H_
#define ACCLIMATE_CORE_DATA_RESERVOIR_H_

#include <algorithm>
#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::data {

// Says where the items of a stream go; the items themselves are the caller's. After `seen` items
// each of them is kept with probability capacity / seen.
class Reservoir {
 public:
  // Goes on where `seen` items have been offered to a reservoir of this capacity.
  explicit Reservoir(int64_t capacity, int64_t seen = 0) : capacity_(capacity), seen_(seen) {}

  // The slots of the next `count` items, offered one after the other: int64 [count], -1 where an
  // item is not kept. A later item may take the slot of an earlier one. Item i (from 0) goes to
  // slot i while there is room, else to j ~ U{0..i} if j < capacity. Draws from the default CPU
  // generator.
  at::Tensor Offer(int64_t count);

  int64_t capacity() const { return capacity_; }
  int64_t seen() const { return seen_; }
  int64_t size() const { return std::min(seen_, capacity_); }  // slots in use

 private:
  int64_t capacity_;
  int64_t seen_;
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_RESERVOIR_H_
