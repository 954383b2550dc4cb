// The error for a dataset that cannot be read.
#ifndef ACCLIMATE_CORE_DATA_BAD_DATA_H_
#define ACCLIMATE_CORE_DATA_BAD_DATA_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace acclimate::data {

// INVALID_ARGUMENT "name: what...".
template <typename... Parts>
absl::Status BadData(const std::string& name, const Parts&... what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", what...));
}

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_BAD_DATA_H_
