// Which server, as whom: from the flags, the environment, and ~/.config/acclimate/config.toml.
//
//   server = "127.0.0.1:50051"        # what holds without a profile
//
//   [profile.production]              # acclimate --profile production ...
//   server = "acclimate.example.org:443"
//   tenant = "team-a"
//   tls_ca = "/etc/ssl/example.pem"
//   token_file = "~/.config/acclimate/token"
#ifndef ACCLIMATE_CLIENT_CLI_SETTINGS_H_
#define ACCLIMATE_CLIENT_CLI_SETTINGS_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/arguments.h"
#include "client/lib/connection.h"

namespace acclimate::cli {

// std::getenv, or a test's own.
using Environment = std::function<const char*(const char* name)>;

// Of --server: the flag, then ACCLIMATE_SERVER, the profile, the top of the file, the default; so
// for each of ConnectionFlags(). TRACEPARENT, if it is one, is the parent of the calls' spans. The
// profile is --profile or ACCLIMATE_PROFILE, the file ACCLIMATE_CLIENT_CONFIG or the one above.
// INVALID_ARGUMENT names the flag, or the line of the file.
absl::StatusOr<client::ConnectionOptions> ConnectionSettings(const Arguments& arguments,
                                                             const Environment& environment);

// The flags that it reads, for every command's help.
const std::vector<OptionSpec>& ConnectionFlags();

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_SETTINGS_H_
