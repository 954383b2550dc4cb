// The element type that an .npy header names.
#ifndef ACCLIMATE_CORE_DATA_NPY_DTYPE_H_
#define ACCLIMATE_CORE_DATA_NPY_DTYPE_H_

#include <cstdint>
#include <string>

#include <c10/core/ScalarType.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::data {

struct NpyDtype {
  enum class Kind {
    kNumber,    // `type` as it is stored
    kUnsigned,  // uint16, uint32 or uint64, which `type` is wider than, or as wide as
    kUtf32,     // texts of bytes / 4 characters
    kBytes,     // texts of `bytes` bytes
  };
  Kind kind = Kind::kNumber;
  at::ScalarType type = at::kFloat;
  int64_t bytes = 0;  // of one element
};

// descr: '<f4'. INVALID_ARGUMENT, beginning with `name`: no type that a dataset may have, in
// NumPy's words, with the line that makes one of it.
absl::StatusOr<NpyDtype> ParseNpyDtype(absl::string_view descr, const std::string& name);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_NPY_DTYPE_H_
