// A shape as messages have it.
#ifndef ACCLIMATE_CORE_IO_SHAPE_TEXT_H_
#define ACCLIMATE_CORE_IO_SHAPE_TEXT_H_

#include <string>

#include <ATen/core/Tensor.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace acclimate::io {

// "[3, 28, 28]".
inline std::string ShapeText(at::IntArrayRef sizes) {
  return absl::StrCat("[", absl::StrJoin(sizes, ", "), "]");
}

}  // namespace acclimate::io

#endif  // ACCLIMATE_CORE_IO_SHAPE_TEXT_H_
