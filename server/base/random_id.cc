#include "server/base/random_id.h"

#include <sys/random.h>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace acclimate {

std::string NewRandomId() {
  char bytes[16];
  // Up to 256 bytes come whole or, before the kernel's pool is ready, with a wait.
  while (getrandom(bytes, sizeof(bytes), 0) != static_cast<ssize_t>(sizeof(bytes))) {
  }
  return absl::BytesToHexString(absl::string_view(bytes, sizeof(bytes)));
}

}  // namespace acclimate
