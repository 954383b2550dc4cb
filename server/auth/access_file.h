// The access file: who may do what.
//
//   # name    credential                                roles
//   alice     token-sha256:9f86d081...                  default:submitter
//   ci        certificate:ci.example.org                team-a:operator,team-b:viewer
//   bob       jwt:auth0|5f7c8ec7c33c6c004bbafe82        *:viewer
//
// A token is known by its SHA-256 alone: tokens are random and long (32 bytes), so that a fast hash
// is as good as a slow one. A certificate is known by its common name or one of its alternative
// names, a JWT by its subject. `#` begins a comment.
#ifndef ACCLIMATE_SERVER_AUTH_ACCESS_FILE_H_
#define ACCLIMATE_SERVER_AUTH_ACCESS_FILE_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/auth/identity.h"

namespace acclimate::auth {

struct AccessList {
  std::map<std::string, Identity> by_token;        // by SHA-256 in hex
  std::map<std::string, Identity> by_certificate;  // by name
  std::map<std::string, Identity> by_subject;      // of a JWT
};

// INVALID_ARGUMENT: the line at fault, and what is wrong with it; never a credential.
absl::StatusOr<AccessList> ParseAccessFile(absl::string_view contents);

}  // namespace acclimate::auth

#endif  // ACCLIMATE_SERVER_AUTH_ACCESS_FILE_H_
