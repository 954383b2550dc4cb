#include "server/base/loopback.h"

#include <arpa/inet.h>

#include <string>

#include "absl/strings/match.h"

namespace acclimate {

bool IsLoopback(absl::string_view address) {
  const std::string host(address.substr(0, address.rfind(':')));
  if (host == "localhost" || host == "[::1]") return true;
  in_addr number;
  return absl::StartsWith(host, "127.") && inet_pton(AF_INET, host.c_str(), &number) == 1;
}

}  // namespace acclimate
