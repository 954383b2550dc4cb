// Text from files and processes that we do not trust, made fit for a protobuf string.
#ifndef ACCLIMATE_SERVER_PROTOCOL_VALID_UTF8_H_
#define ACCLIMATE_SERVER_PROTOCOL_VALID_UTF8_H_

#include <string>

#include "absl/strings/string_view.h"

namespace acclimate::protocol {

// Every byte that is not part of well-formed UTF-8 becomes '?'.
std::string ValidUtf8(absl::string_view text);

}  // namespace acclimate::protocol

#endif  // ACCLIMATE_SERVER_PROTOCOL_VALID_UTF8_H_
