#include "client/lib/proxy.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/loopback.h"

namespace acclimate::client {
namespace {

// In the order in which gRPC asks.
constexpr const char* kProxyVariables[] = {"grpc_proxy", "https_proxy", "http_proxy"};
constexpr const char* kExceptionVariables[] = {"no_grpc_proxy", "no_proxy"};

// The host of "host:port", "[::1]:port" or "dns:///host:port".
absl::string_view HostOf(absl::string_view address) {
  address.remove_prefix(address.rfind('/') + 1);
  absl::ConsumePrefix(&address, "dns:");
  if (absl::ConsumePrefix(&address, "[")) return address.substr(0, address.find(']'));
  return address.substr(0, address.find(':'));
}

// "http://user:password@proxy:3128/" -> "proxy:3128".
absl::string_view WithoutCredentials(absl::string_view url) {
  if (const size_t scheme = url.find("://"); scheme != absl::string_view::npos) {
    url.remove_prefix(scheme + 3);
  }
  url = url.substr(0, url.find('/'));
  url.remove_prefix(url.rfind('@') + 1);
  return url;
}

bool IsException(absl::string_view host, const EnvironmentLookup& environment) {
  for (const char* variable : kExceptionVariables) {
    const char* const exceptions = environment(variable);
    if (exceptions == nullptr || *exceptions == '\0') continue;
    for (absl::string_view name : absl::StrSplit(exceptions, ',')) {
      name = absl::StripAsciiWhitespace(name);
      if (!name.empty() && absl::EndsWith(host, name)) return true;
    }
    return false;
  }
  return false;
}

}  // namespace

bool StaysOnThisMachine(absl::string_view address) {
  return absl::StartsWith(address, "unix:") || absl::StartsWith(address, "unix-abstract:") ||
         IsLoopback(address);
}

std::optional<std::string> ProxyAdvice(absl::string_view address,
                                       const EnvironmentLookup& environment) {
  if (StaysOnThisMachine(address)) return std::nullopt;
  const absl::string_view host = HostOf(address);
  for (const char* variable : kProxyVariables) {
    const char* const proxy = environment(variable);
    if (proxy == nullptr || *proxy == '\0') continue;
    if (IsException(host, environment)) return std::nullopt;
    return absl::StrCat("the environment variable ", variable,
                        " sends the calls through the proxy ", WithoutCredentials(proxy), "; add ",
                        host, " to no_proxy to reach the server without it");
  }
  return std::nullopt;
}

}  // namespace acclimate::client
