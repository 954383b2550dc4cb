// HTTP proxies that the environment names, as gRPC takes them.
#ifndef ACCLIMATE_CLIENT_LIB_PROXY_H_
#define ACCLIMATE_CLIENT_LIB_PROXY_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace acclimate::client {

// The value of a variable of the environment; null where it is not set.
using EnvironmentLookup = std::function<const char*(const char* name)>;

// Whether calls to the address ("127.0.0.1:50051", "unix:/run/acclimate") stay on this machine.
bool StaysOnThisMachine(absl::string_view address);

// What to say of a proxy when the server cannot be reached: which variable names which proxy,
// without the user and the password that its URL may hold, and what to do. nullopt: no proxy is
// used.
std::optional<std::string> ProxyAdvice(absl::string_view address,
                                       const EnvironmentLookup& environment);

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_PROXY_H_
