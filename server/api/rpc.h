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
#include "grpcpp/server_context.h"
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
  Caller(absl::string_view call, const TraceContext& trace, CallLimits& limits)
      : call_(call), trace_(trace), limits_(limits) {}

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
  friend class OpenCall;
  bool NamesJob() const;
  // Lines that the thread logs name the trace, and the tenant and the job as far as they are known.
  void AddTo(LogContext& log) const;

  auth::Identity identity_;
  auth::Permission permission_;
  const absl::string_view call_;
  const TraceContext trace_;
  CallLimits& limits_;
  LogContext* log_ = nullptr;  // of the thread that is at work for the call
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
  template <typename Body>
  grpc::Status Run(grpc::ServerContextBase& context, absl::string_view call, const Body& body);

  // From now on new work is refused, and what brings it ends as soon as it asks.
  void Drain() { draining_ = true; }
  // UNAVAILABLE, with when to try again, once the server shuts down.
  absl::Status CheckTakesWork() const;

 private:
  friend class OpenCall;
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

  auth::Authenticator& authenticator_;
  auth::AuditLog* const audit_;
  metrics::ServerMetrics& metrics_;
  CallLimits& limits_;
  const CallTracing tracing_;
  std::atomic<bool> draining_{false};
};

// One call, from its beginning to its end: what Run() does for a call that ends with its handler. A
// call that goes on after its handler keeps this, and ends it from any thread. The context and the
// gate outlive it.
class OpenCall {
 public:
  OpenCall(CallGate& gate, grpc::ServerContextBase& context, absl::string_view call);

  // Admits the caller and runs the body.
  template <typename Body>
  absl::Status Enter(const Body& body) {
    LogContext log({});
    caller_.AddTo(log);
    caller_.log_ = &log;
    absl::Status status;
    try {
      status = Admit();
      if (status.ok()) status = CallGate::CheckAsked(caller_, body(caller_));
    } catch (const std::exception& exception) {
      status = CallGate::ExceptionToStatus(exception);
    }
    caller_.log_ = nullptr;
    return status;
  }
  // Notes and counts the call, once. What is to be sent.
  grpc::Status End(const absl::Status& status);

 private:
  absl::Status Admit();

  CallGate& gate_;
  grpc::ServerContextBase& context_;
  const absl::Time start_ = absl::Now();
  const std::optional<TraceContext> parent_;
  Caller caller_;
  absl::optional<CallLimits::Stream> stream_;
};

template <typename Body>
grpc::Status CallGate::Run(grpc::ServerContextBase& context, absl::string_view call,
                           const Body& body) {
  OpenCall open(*this, context, call);
  return open.End(open.Enter(body));
}

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_RPC_H_
