// What every handler does around its own work: find out who calls and whether they may, time it,
// count it, note it for the audit, translate its status.
#ifndef ACCLIMATE_SERVER_API_RPC_H_
#define ACCLIMATE_SERVER_API_RPC_H_

#include <exception>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/support/status.h"
#include "server/auth/audit_log.h"
#include "server/auth/authenticator.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::api {

// Who makes a call, and what the call needs.
class Caller {
 public:
  // Whether the caller has the call's role in `tenant`; notes `resource` for the audit. A caller
  // without any role there gets the same answer whether the resource exists or not:
  // PERMISSION_DENIED. Handlers reach a tenant's resources through tenant_access.h alone, which
  // asks this.
  absl::Status Authorize(absl::string_view tenant, absl::string_view resource);

  const auth::Identity& identity() const { return identity_; }

 private:
  friend class CallGate;
  auth::Identity identity_;
  auth::Permission permission_;
  absl::string_view call_;
  bool asked_ = false;
  std::string resource_;
};

// Thread-safe. Everything outlives it.
class CallGate {
 public:
  // `audit` may be null: an insecure server has nobody to note.
  CallGate(auth::Authenticator& authenticator, auth::AuditLog* audit,
           metrics::ServerMetrics& metrics)
      : authenticator_(authenticator), audit_(audit), metrics_(metrics) {}

  // Runs the body of a handler: a callable from Caller& to absl::Status. `call` is
  // "acclimate.v1.JobService/GetJob".
  template <typename Context, typename Body>
  grpc::Status Run(const Context& context, absl::string_view call, const Body& body) {
    const absl::Time start = absl::Now();
    Caller caller;
    absl::Status status;
    try {
      status = Admit(CredentialsOf(context), call, start, caller);
      if (status.ok()) status = CheckAsked(caller, body(caller));
    } catch (const std::exception& exception) {
      status = ExceptionToStatus(exception);
    }
    if (BelongsInAudit(caller, status)) Note(caller, context.peer(), start, status);
    return End(caller, start, status);
  }

 private:
  template <typename Context>
  static auth::Credentials CredentialsOf(const Context& context) {
    auth::Credentials credentials;
    const auto& metadata = context.client_metadata();
    if (const auto found = metadata.find("authorization"); found != metadata.end()) {
      credentials.authorization.assign(found->second.data(), found->second.size());
    }
    AddCertificateNames(*context.auth_context(), credentials);
    return credentials;
  }
  static void AddCertificateNames(const grpc::AuthContext& context, auth::Credentials& credentials);
  static absl::Status ExceptionToStatus(const std::exception& exception);
  absl::Status Admit(const auth::Credentials& credentials, absl::string_view call, absl::Time now,
                     Caller& caller);
  // INTERNAL: the handler of a call on a tenant's resource has answered without Authorize().
  static absl::Status CheckAsked(const Caller& caller, absl::Status status);
  // What was changed, and what was refused.
  bool BelongsInAudit(const Caller& caller, const absl::Status& status) const;
  void Note(const Caller& caller, const std::string& peer, absl::Time start,
            const absl::Status& status);
  grpc::Status End(const Caller& caller, absl::Time start, const absl::Status& status);

  auth::Authenticator& authenticator_;
  auth::AuditLog* const audit_;
  metrics::ServerMetrics& metrics_;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_RPC_H_
