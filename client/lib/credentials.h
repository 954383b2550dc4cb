// How a connection is encrypted, and who it says it is.
#ifndef ACCLIMATE_CLIENT_LIB_CREDENTIALS_H_
#define ACCLIMATE_CLIENT_LIB_CREDENTIALS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/security/credentials.h"

namespace acclimate::client {

// All by their paths; files in PEM. Empty: not used.
struct SecurityOptions {
  bool tls = false;               // on its own: the system's authorities sign the server
  std::string tls_ca;             // who signs the server's certificate
  std::string tls_cert, tls_key;  // the client's own, for mutual TLS
  std::string tls_server_name;    // the certificate's name, where it is not the address
  std::string token_file;         // a bearer token: its first line
  bool UsesTls() const { return tls || !tls_ca.empty() || !tls_cert.empty(); }
};

struct Credentials {
  std::shared_ptr<grpc::ChannelCredentials> channel = nullptr;  // null: plain
  std::string server_name = "";                                 // empty: the address
  std::string token = "";                                       // empty: none
};

// For `server` ("127.0.0.1:50051"). INVALID_ARGUMENT: which file cannot be read, or which is
// missing, never what a file holds; or a token would leave this machine unencrypted.
absl::StatusOr<Credentials> LoadCredentials(const SecurityOptions& options,
                                            absl::string_view server);

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_CREDENTIALS_H_
