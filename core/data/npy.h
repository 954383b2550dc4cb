// One array in NumPy's .npy format, versions 1 to 3
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#ifndef ACCLIMATE_CORE_DATA_NPY_H_
#define ACCLIMATE_CORE_DATA_NPY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::data {

struct NpyBytes {
  uint8_t* data;
  size_t size;
  std::shared_ptr<const void> owner;  // keeps data alive
  std::string name;                   // in error messages
  // Whole numbers that name something, as labels do: uint16 to uint64 are taken too.
  bool whole_numbers = false;
};

bool LooksLikeNpy(absl::string_view bytes);

// A view of the bytes that keeps their owner alive; a copy when they are not aligned or in Fortran
// order. Takes bool, uint8, int8 to int64 and float16 to float64, little-endian. INVALID_ARGUMENT
// names the byte or the header field at fault; every size is checked against the bytes there are.
absl::StatusOr<at::Tensor> ReadNpy(const NpyBytes& bytes);

// Whether the array holds texts; false for bytes that are no array.
bool NpyHoldsTexts(const NpyBytes& bytes);
// The texts of an array [N] or [N, 1] of dtype 'U' or 'S', as UTF-8. INVALID_ARGUMENT as above.
absl::StatusOr<std::vector<std::string>> ReadNpyTexts(const NpyBytes& bytes);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_NPY_H_
