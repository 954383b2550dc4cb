#include "server/api/rpc.h"

#include <new>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/log.h"

namespace acclimate::api {

absl::Status Caller::Authorize(absl::string_view tenant, absl::string_view resource) {
  asked_ = true;
  resource_ = std::string(resource);
  const auth::Role role = identity_.RoleIn(tenant);
  if (role >= permission_.role && role != auth::Role::kNone) return absl::OkStatus();
  if (identity_.source == "none") {
    return absl::NotFoundError(absl::StrCat("there is no tenant ", tenant));
  }
  return WithErrorInfo(
      absl::PermissionDeniedError(absl::StrCat(
          call_, " needs the role ", auth::RoleName(permission_.role), " in the tenant ", tenant,
          "; ", identity_.subject,
          role == auth::Role::kNone ? " has none there" : " is " + auth::RoleName(role))),
      "ROLE_MISSING",
      {{"role", auth::RoleName(permission_.role)}, {"tenant", std::string(tenant)}});
}

void CallGate::AddCertificateNames(const grpc::AuthContext& context,
                                   auth::Credentials& credentials) {
  if (!context.IsPeerAuthenticated()) return;
  for (const char* property : {"x509_common_name", "x509_subject_alternative_name"}) {
    for (const grpc::string_ref& name : context.FindPropertyValues(property)) {
      credentials.certificate_names.emplace_back(name.data(), name.size());
    }
  }
}

absl::Status CallGate::ExceptionToStatus(const std::exception& exception) {
  LogError("a handler threw", {{"error", exception.what()}});
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    return absl::ResourceExhaustedError("the server is out of memory");
  }
  return absl::InternalError(exception.what());
}

absl::Status CallGate::Admit(const auth::Credentials& credentials, absl::string_view call,
                             absl::Time now, Caller& caller) {
  caller.call_ = call;
  absl::StatusOr<auth::Permission> permission = auth::PermissionFor(call);
  if (!permission.ok()) return permission.status();
  caller.permission_ = *permission;
  absl::StatusOr<auth::Identity> identity = authenticator_.Identify(credentials, now);
  if (!identity.ok()) {
    metrics_.CountAuthenticationFailure(ReasonOf(identity.status()));
    return identity.status();
  }
  caller.identity_ = *std::move(identity);
  // For the others the handler asks, which knows the tenant.
  if (permission->in_tenant || caller.identity_.HighestRole() >= permission->role) {
    return absl::OkStatus();
  }
  return WithErrorInfo(absl::PermissionDeniedError(
                           absl::StrCat(call, " needs the role ", auth::RoleName(permission->role),
                                        "; ", caller.identity_.subject, " has it nowhere")),
                       "ROLE_MISSING", {{"role", auth::RoleName(permission->role)}});
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

grpc::Status CallGate::End(const Caller& caller, absl::Time start, const absl::Status& status) {
  metrics_.ObserveCall(caller.call_, absl::StatusCodeToString(status.code()), absl::Now() - start);
  if (!status.ok()) LogDebug("call failed", {{"call", caller.call_}, {"status", status}});
  return ToGrpcStatus(status);
}

}  // namespace acclimate::api
