#include "server/api/rpc.h"

#include <new>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace acclimate::api {
namespace {

bool IsServersFault(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

// Whose calls are counted together that name no tenant, as of the catalogue.
constexpr char kNoTenant[] = "calls without a tenant";

// Empty where the call has no such metadata.
std::string MetadataOf(const grpc::ServerContextBase& context, const char* key) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(key);
  if (found == metadata.end()) return "";
  return {found->second.data(), found->second.size()};
}

void AddCertificateNames(const grpc::AuthContext& context, auth::Credentials& credentials) {
  if (!context.IsPeerAuthenticated()) return;
  for (const char* property : {"x509_common_name", "x509_subject_alternative_name"}) {
    for (const grpc::string_ref& name : context.FindPropertyValues(property)) {
      credentials.certificate_names.emplace_back(name.data(), name.size());
    }
  }
}

auth::Credentials CredentialsOf(const grpc::ServerContextBase& context) {
  auth::Credentials credentials;
  credentials.authorization = MetadataOf(context, "authorization");
  AddCertificateNames(*context.auth_context(), credentials);
  return credentials;
}

double CostOf(const auth::Permission& permission) {
  return permission.changes ? CallLimits::kCostOfChange : 1;
}

}  // namespace

// Names of resources have been parsed before they come here.
bool Caller::NamesJob() const { return absl::StrContains(resource_, "/jobs/"); }

void Caller::AddTo(LogContext& log) const {
  log.Add({"trace", trace_.trace_id});
  if (!tenant_.empty()) log.Add({"tenant", tenant_});
  if (NamesJob()) log.Add({"job", resource_});
}

absl::Status Caller::Authorize(absl::string_view tenant, absl::string_view resource) {
  asked_ = true;
  tenant_ = std::string(tenant);
  resource_ = std::string(resource);
  if (log_ != nullptr) {
    log_->Add({"tenant", tenant_});
    if (NamesJob()) log_->Add({"job", resource_});
  }
  const auth::Role role = identity_.RoleIn(tenant);
  if (role >= permission_.role && role != auth::Role::kNone) {
    return limits_.TakeCall(absl::StrCat("tenants/", tenant), CostOf(permission_), Instant::Now());
  }
  if (identity_.source == "none") {
    return absl::NotFoundError(absl::StrCat("there is no tenant ", tenant));
  }
  return ErrorWithReason(
      v1::ROLE_MISSING,
      absl::StrCat(call_, " needs the role ", auth::RoleName(permission_.role), " in the tenant ",
                   tenant, "; ", identity_.subject,
                   role == auth::Role::kNone ? " has none there" : " is " + auth::RoleName(role)),
      {{"role", auth::RoleName(permission_.role)}, {"tenant", std::string(tenant)}});
}

absl::Status CallGate::ExceptionToStatus(const std::exception& exception) {
  LogError("a handler threw", {{"error", exception.what()}});
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    return absl::ResourceExhaustedError("the server is out of memory");
  }
  return absl::InternalError(exception.what());
}

TraceContext CallGate::TraceOfCall(const std::optional<TraceContext>& parent) const {
  if (parent.has_value()) return ChildOf(*parent);
  thread_local absl::BitGen random;
  return NewTrace(tracing_.spans != nullptr && absl::Bernoulli(random, tracing_.sample_ratio));
}

absl::Status CallGate::Admit(const auth::Credentials& credentials, absl::Time now, Caller& caller) {
  const absl::string_view call = caller.call_;
  absl::StatusOr<auth::Permission> permission = auth::PermissionFor(call);
  if (!permission.ok()) return permission.status();
  if (permission->new_work) {
    if (absl::Status status = CheckTakesWork(); !status.ok()) return status;
  }
  caller.permission_ = *permission;
  absl::StatusOr<auth::Identity> identity = authenticator_.Identify(credentials, now);
  if (!identity.ok()) {
    metrics_.CountAuthenticationFailure(ReasonOf(identity.status()));
    return identity.status();
  }
  caller.identity_ = *std::move(identity);
  // For the others the handler asks, which knows the tenant.
  if (permission->in_tenant) return absl::OkStatus();
  if (caller.identity_.HighestRole() >= permission->role) {
    return limits_.TakeCall(kNoTenant, CostOf(*permission), Instant::Now());
  }
  return ErrorWithReason(v1::ROLE_MISSING,
                         absl::StrCat(call, " needs the role ", auth::RoleName(permission->role),
                                      "; ", caller.identity_.subject, " has it nowhere"),
                         {{"role", auth::RoleName(permission->role)}});
}

absl::Status CallGate::CheckTakesWork() const {
  return draining_ ? ShuttingDown() : absl::OkStatus();
}

// By name where there are names, otherwise by address, without the port.
absl::Status CallGate::OpenStream(const Caller& caller, absl::string_view peer,
                                  absl::optional<CallLimits::Stream>& stream) {
  const bool named = caller.identity_.source != "none";
  absl::StatusOr<CallLimits::Stream> opened = limits_.OpenStream(
      named ? caller.identity_.subject : std::string(peer.substr(0, peer.rfind(':'))));
  if (!opened.ok()) return opened.status();
  stream.emplace(*std::move(opened));
  return absl::OkStatus();
}

absl::Status CallGate::CheckAsked(const Caller& caller, absl::Status status) {
  if (!status.ok() || !caller.permission_.in_tenant || caller.asked_) return status;
  LogError("a handler has not asked for its caller's role", {{"call", caller.call_}});
  return absl::InternalError(absl::StrCat(caller.call_, " has not asked for its caller's role"));
}

bool CallGate::BelongsInAudit(const Caller& caller, const absl::Status& status) const {
  return audit_ != nullptr && (caller.permission_.changes || absl::IsPermissionDenied(status) ||
                               absl::IsUnauthenticated(status));
}

void CallGate::Note(const Caller& caller, const std::string& peer, absl::Time start,
                    const absl::Status& status) {
  const absl::Status noted = audit_->Append(
      {start, caller.identity_.subject, caller.identity_.source, peer, std::string(caller.call_),
       caller.resource_, absl::StatusCodeToString(status.code())});
  if (!noted.ok()) LogError("a call is missing in the audit log", {{"error", noted}});
}

// Names and attributes are those of OpenTelemetry's conventions for RPC.
void CallGate::Trace(const Caller& caller, const std::optional<TraceContext>& parent,
                     absl::Time start, const absl::Status& status) {
  tracing::Span span;
  span.context = caller.trace();
  if (parent.has_value()) span.parent_span_id = parent->span_id;
  span.name = std::string(caller.call_);
  span.kind = tracing::Span::Kind::kServer;
  span.start = start;
  span.end = absl::Now();
  const size_t slash = caller.call_.find('/');
  span.attributes = {{"rpc.system", "grpc"},
                     {"rpc.service", std::string(caller.call_.substr(0, slash))},
                     {"rpc.method", std::string(caller.call_.substr(slash + 1))},
                     {"rpc.grpc.status_code", static_cast<int64_t>(status.code())}};
  if (!caller.tenant_.empty()) span.attributes["acclimate.tenant"] = caller.tenant_;
  if (caller.NamesJob()) span.attributes["acclimate.job"] = caller.resource_;
  span.failed = IsServersFault(status.code());
  span.error = std::string(status.message());
  tracing_.spans->Add(std::move(span));
}

OpenCall::OpenCall(CallGate& gate, grpc::ServerContextBase& context, absl::string_view call)
    : gate_(gate),
      context_(context),
      parent_(ParseTraceparent(MetadataOf(context, kTraceparent))),
      caller_(call, gate.TraceOfCall(parent_), gate.limits_) {
  context.AddTrailingMetadata(kTraceparent, ToTraceparent(caller_.trace()));
}

absl::Status OpenCall::Admit() {
  absl::Status status = gate_.Admit(CredentialsOf(context_), start_, caller_);
  if (status.ok() && caller_.permission_.stream) {
    status = gate_.OpenStream(caller_, context_.peer(), stream_);
  }
  return status;
}

grpc::Status OpenCall::End(const absl::Status& status) {
  stream_.reset();
  const bool noted = gate_.BelongsInAudit(caller_, status);
  absl::optional<LogContext> log;
  if (noted || !status.ok()) {  // what may write a line
    log.emplace(std::initializer_list<LogField>());
    caller_.AddTo(*log);
  }
  if (noted) gate_.Note(caller_, context_.peer(), start_, status);
  if (gate_.tracing_.spans != nullptr && caller_.trace().sampled) {
    gate_.Trace(caller_, parent_, start_, status);
  }
  gate_.metrics_.ObserveCall(caller_.call_, absl::StatusCodeToString(status.code()),
                             absl::Now() - start_);
  if (!status.ok()) LogDebug("call failed", {{"call", caller_.call_}, {"status", status}});
  return ToGrpcStatus(status);
}

}  // namespace acclimate::api
