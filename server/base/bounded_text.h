// Text of a client, a file or a worker, cut to what an answer or a log line has room for.
#ifndef ACCLIMATE_SERVER_BASE_BOUNDED_TEXT_H_
#define ACCLIMATE_SERVER_BASE_BOUNDED_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace acclimate {

// The text where it has at most `max_bytes` bytes. Otherwise its beginning, cut between two
// characters of UTF-8, and how many bytes were left out: "aaa... (997 bytes left out)". The result
// is no longer than `max_bytes`, which is at least 64.
std::string BoundedText(absl::string_view text, size_t max_bytes);

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_BOUNDED_TEXT_H_
