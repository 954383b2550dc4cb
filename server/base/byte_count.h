// Numbers of bytes as people write them.
#ifndef ACCLIMATE_SERVER_BASE_BYTE_COUNT_H_
#define ACCLIMATE_SERVER_BASE_BYTE_COUNT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate {

// "512MiB", "4GiB" or a plain number.
absl::StatusOr<int64_t> ParseByteCount(absl::string_view text);

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_BYTE_COUNT_H_
