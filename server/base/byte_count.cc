#include "server/base/byte_count.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace acclimate {

absl::StatusOr<int64_t> ParseByteCount(absl::string_view text) {
  absl::string_view digits = text;
  int shift = 0;
  if (absl::ConsumeSuffix(&digits, "KiB")) {
    shift = 10;
  } else if (absl::ConsumeSuffix(&digits, "MiB")) {
    shift = 20;
  } else if (absl::ConsumeSuffix(&digits, "GiB")) {
    shift = 30;
  }
  int64_t value = 0;
  if (!absl::SimpleAtoi(digits, &value) || value < 0 || value > (INT64_MAX >> shift)) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be a number of bytes, as 4096, 512MiB or 4GiB; is \"", text, "\""));
  }
  return value << shift;
}

}  // namespace acclimate
