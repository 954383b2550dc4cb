// Whether an address stays on this machine.
#ifndef ACCLIMATE_SERVER_BASE_LOOPBACK_H_
#define ACCLIMATE_SERVER_BASE_LOOPBACK_H_

#include "absl/strings/string_view.h"

namespace acclimate {

// `address`: "127.0.0.1:50051", "[::1]:0", "localhost:80". A name that only looks like a number
// ("127.example.org:1") does not.
bool IsLoopback(absl::string_view address);

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_LOOPBACK_H_
