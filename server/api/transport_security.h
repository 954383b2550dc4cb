// TLS of the gRPC port.
#ifndef ACCLIMATE_SERVER_API_TRANSPORT_SECURITY_H_
#define ACCLIMATE_SERVER_API_TRANSPORT_SECURITY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/security/server_credentials.h"
#include "server/base/config.h"

namespace acclimate::api {

// What the flags ask for: plain, TLS, or TLS with client certificates. A client that shows none may
// still come with a token. Files that are replaced are read again within seconds, without a
// restart; connections that stand go on. INVALID_ARGUMENT names the file at fault: it cannot be
// read, is no PEM, the key is another certificate's, or the certificate has expired.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const ServerConfig& config);

// When the first certificate of the file is no longer valid.
absl::StatusOr<absl::Time> CertificateExpiry(const std::string& path);

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_TRANSPORT_SECURITY_H_
