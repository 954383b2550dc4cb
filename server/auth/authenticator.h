// Finds out who calls: by a bearer token, a JSON Web Token, or a client certificate.
#ifndef ACCLIMATE_SERVER_AUTH_AUTHENTICATOR_H_
#define ACCLIMATE_SERVER_AUTH_AUTHENTICATOR_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/auth/access_file.h"
#include "server/auth/identity.h"
#include "server/auth/json_web_token.h"
#include "server/auth/watched_file.h"

namespace acclimate::auth {

// What a call brings along.
struct Credentials {
  std::string authorization;                   // the metadata of that name; empty: none
  std::vector<std::string> certificate_names;  // of the verified client certificate
};

struct AuthenticatorOptions {
  std::string access_file;  // access_file.h; empty: none
  std::string jwks_file;    // empty: no JSON Web Tokens
  TokenRules token_rules;
};

// 1. A token counts before a certificate. What is given and wrong is refused, also where something
//    else would do.
// 2. Without any file everybody is admin of the tenant "default": such a server is insecure.
// 3. Files that change are read again within a second; what is revoked there is refused from then
//    on, calls that have begun go on.
// Thread-safe.
class Authenticator {
 public:
  // INVALID_ARGUMENT names the file and the line at fault.
  static absl::StatusOr<std::unique_ptr<Authenticator>> Create(const AuthenticatorOptions& options);

  // UNAUTHENTICATED with the reason: CREDENTIALS_MISSING, TOKEN_UNKNOWN, TOKEN_REFUSED or
  // CERTIFICATE_UNKNOWN. Never with a credential.
  absl::StatusOr<Identity> Identify(const Credentials& credentials, absl::Time now);

  bool insecure() const { return access_file_ == nullptr && jwks_file_ == nullptr; }

 private:
  explicit Authenticator(AuthenticatorOptions options) : options_(std::move(options)) {}
  absl::StatusOr<Identity> ByToken(absl::string_view token, absl::Time now);
  absl::StatusOr<Identity> ByCertificate(const std::vector<std::string>& names);
  std::shared_ptr<const AccessList> access() const;
  std::shared_ptr<const std::vector<PublicKey>> keys() const;

  const AuthenticatorOptions options_;
  std::unique_ptr<WatchedFile> access_file_, jwks_file_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const AccessList> access_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<AccessList>();
  std::shared_ptr<const std::vector<PublicKey>> keys_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<std::vector<PublicKey>>();
};

}  // namespace acclimate::auth

#endif  // ACCLIMATE_SERVER_AUTH_AUTHENTICATOR_H_
