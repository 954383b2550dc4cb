// What every handler does around its own work: find out who calls and whether they may, time it,
// count it, trace it, note it for the audit, translate its status.
#ifndef ACCLIMATE_SERVER_API_RPC_H_
#define ACCLIMATE_SERVER_API_RPC_H_

#include <atomic>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/support/status.h"
#include "server/api/call_limits.h"
#include "server/auth/audit_log.h"
#include "server/auth/authenticator.h"
#include "server/base/log.h"
#include "server/base/trace_context.h"
#include "server/metrics/server_metrics.h"
#include "server/tracing/span.h"

namespace acclimate::api {

// Who makes a call, in which trace, and what the call needs.
class Caller {
 public:
  // Lines that the thread logs while this lives name the trace, and the tenant and the job once
  // they are known.
  Caller(absl::string_view call, const TraceContext& trace, CallLimits& limits);

  // Whether the caller has the call's role in `tenant`; notes `resource` for the audit. A caller
  // without any role there gets the same answer whether the resource exists or not:
  // PERMISSION_DENIED. Handlers reach a tenant's resources through tenant_access.h alone, which
  // asks this. RESOURCE_EXHAUSTED: the tenant has made too many calls.
  absl::Status Authorize(absl::string_view tenant, absl::string_view resource);

  // What a call changes that is no tenant's, for the audit.
  void NoteChange(std::string resource) { resource_ = std::move(resource); }

  const auth::Identity& identity() const { return identity_; }
  const TraceContext& trace() const { return trace_; }

 private:
  friend class CallGate;
  bool NamesJob() const;

  auth::Identity identity_;
  auth::Permission permission_;
  const absl::string_view call_;
  const TraceContext trace_;
  CallLimits& limits_;
  LogContext log_;
  bool asked_ = false;
  std::string tenant_;
  std::string resource_;
};

// Where the spans of calls go.
struct CallTracing {
  tracing::SpanSink* spans = nullptr;  // null: nowhere
  double sample_ratio = 1.0;           // of the traces that begin here
};

// Thread-safe. Everything outlives it.
class CallGate {
 public:
  // `audit` may be null: an insecure server has nobody to note.
  CallGate(auth::Authenticator& authenticator, auth::AuditLog* audit,
           metrics::ServerMetrics& metrics, CallLimits& limits, CallTracing tracing)
      : authenticator_(authenticator),
        audit_(audit),
        metrics_(metrics),
        limits_(limits),
        tracing_(tracing) {}

  // Runs the body of a handler: a callable from Caller& to absl::Status. `call` is
  // "acclimate.v1.JobService/GetJob". The call's span is a child of the caller's, or begins a
  // trace; the caller learns its traceparent from the trailing metadata.
  template <typename Context, typename Body>
  grpc::Status Run(Context& context, absl::string_view call, const Body& body) {
    const absl::Time start = absl::Now();
    const std::optional<TraceContext> parent = ParseTraceparent(MetadataOf(context, kTraceparent));
    Caller caller(call, TraceOfCall(parent), limits_);
    context.AddTrailingMetadata(kTraceparent, ToTraceparent(caller.trace()));
    absl::Status status;
    try {
      status = Admit(CredentialsOf(context), start, caller);
      absl::optional<CallLimits::Stream> stream;
      if (status.ok() && caller.permission_.stream) {
        status = OpenStream(caller, context.peer(), stream);
      }
      if (status.ok()) status = CheckAsked(caller, body(caller));
    } catch (const std::exception& exception) {
      status = ExceptionToStatus(exception);
    }
    if (BelongsInAudit(caller, status)) Note(caller, context.peer(), start, status);
    if (tracing_.spans != nullptr && caller.trace().sampled) Trace(caller, parent, start, status);
    return End(caller, start, status);
  }

  // From now on new work is refused, and what brings it ends as soon as it asks.
  void Drain() { draining_ = true; }
  // UNAVAILABLE, with when to try again, once the server shuts down.
  absl::Status CheckTakesWork() const;

 private:
  // Empty where the call has no such metadata.
  template <typename Context>
  static std::string MetadataOf(const Context& context, const char* key) {
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find(key);
    if (found == metadata.end()) return "";
    return {found->second.data(), found->second.size()};
  }
  template <typename Context>
  static auth::Credentials CredentialsOf(const Context& context) {
    auth::Credentials credentials;
    credentials.authorization = MetadataOf(context, "authorization");
    AddCertificateNames(*context.auth_context(), credentials);
    return credentials;
  }
  static void AddCertificateNames(const grpc::AuthContext& context, auth::Credentials& credentials);
  static absl::Status ExceptionToStatus(const std::exception& exception);
  TraceContext TraceOfCall(const std::optional<TraceContext>& parent) const;
  absl::Status Admit(const auth::Credentials& credentials, absl::Time now, Caller& caller);
  absl::Status OpenStream(const Caller& caller, absl::string_view peer,
                          absl::optional<CallLimits::Stream>& stream);
  // INTERNAL: the handler of a call on a tenant's resource has answered without Authorize().
  static absl::Status CheckAsked(const Caller& caller, absl::Status status);
  // What was changed, and what was refused.
  bool BelongsInAudit(const Caller& caller, const absl::Status& status) const;
  void Note(const Caller& caller, const std::string& peer, absl::Time start,
            const absl::Status& status);
  void Trace(const Caller& caller, const std::optional<TraceContext>& parent, absl::Time start,
             const absl::Status& status);
  grpc::Status End(const Caller& caller, absl::Time start, const absl::Status& status);

  auth::Authenticator& authenticator_;
  auth::AuditLog* const audit_;
  metrics::ServerMetrics& metrics_;
  CallLimits& limits_;
  const CallTracing tracing_;
  std::atomic<bool> draining_{false};
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_RPC_H_
