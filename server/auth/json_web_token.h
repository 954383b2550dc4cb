// JSON Web Tokens (RFC 7519), signed with RS256, ES256 or EdDSA (Ed25519), by the keys of a JWKS
// file (RFC 7517). Nothing is fetched from anywhere.
#ifndef ACCLIMATE_SERVER_AUTH_JSON_WEB_TOKEN_H_
#define ACCLIMATE_SERVER_AUTH_JSON_WEB_TOKEN_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/auth/identity.h"

struct evp_pkey_st;

namespace acclimate::auth {

struct PublicKey {
  std::string id;         // "kid"; may be empty
  std::string algorithm;  // "RS256", "ES256" or "EdDSA": the only one that it verifies
  std::shared_ptr<evp_pkey_st> key;
};

// The keys of a JWKS file that can verify tokens; others in it are left out. INVALID_ARGUMENT: it
// is no JWKS, a key is damaged, an RSA key has less than 2048 bits, or no key is left.
absl::StatusOr<std::vector<PublicKey>> ParseJwks(absl::string_view contents);

struct TokenRules {
  std::string issuer;    // "iss" must be this
  std::string audience;  // "aud" must be or contain this
};

struct Claims {
  std::string subject;
  std::map<std::string, Role> roles;  // of the claim "acclimate_roles": {"team-a": "submitter"}
  absl::Time expiry;
};

// UNAUTHENTICATED says what is wrong, never what the token holds. Clocks may differ by a minute.
absl::StatusOr<Claims> VerifyToken(absl::string_view token, const std::vector<PublicKey>& keys,
                                   const TokenRules& rules, absl::Time now);

}  // namespace acclimate::auth

#endif  // ACCLIMATE_SERVER_AUTH_JSON_WEB_TOKEN_H_
