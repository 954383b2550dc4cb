// Whether text is UTF-8: what goes into a model's record is JSON, which must be.
#ifndef ACCLIMATE_CORE_DATA_UTF8_H_
#define ACCLIMATE_CORE_DATA_UTF8_H_

#include "absl/strings/string_view.h"

namespace acclimate::data {

bool IsUtf8(absl::string_view text);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_UTF8_H_
