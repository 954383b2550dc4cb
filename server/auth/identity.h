// Who calls, and what that lets them do.
#ifndef ACCLIMATE_SERVER_AUTH_IDENTITY_H_
#define ACCLIMATE_SERVER_AUTH_IDENTITY_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::auth {

// Each may do what those before it may.
//   viewer: reads jobs, reports and blobs      submitter: uploads, pins, creates and cancels jobs
//   operator: deletes jobs                     admin: sees and sets what concerns the whole server
enum class Role { kNone, kViewer, kSubmitter, kOperator, kAdmin };

std::string RoleName(Role role);
// INVALID_ARGUMENT lists the names.
absl::StatusOr<Role> ParseRole(absl::string_view name);

// The key of Identity::roles that stands for every tenant.
inline constexpr char kEveryTenant[] = "*";

struct Identity {
  std::string subject;                // "alice"
  std::string source;                 // "token", "certificate", "jwt"; "none" on an insecure server
  std::map<std::string, Role> roles;  // by tenant

  Role RoleIn(absl::string_view tenant) const;
  Role HighestRole() const;
};

// "team-a:submitter", "*:viewer": into `roles`; of two for a tenant the later counts.
absl::Status AddRole(absl::string_view text, std::map<std::string, Role>& roles);

// What a call needs. A call that the table does not name is nobody's.
struct Permission {
  Role role = Role::kNone;
  // In the tenant of the resource that the call names; otherwise it names none, and any tenant
  // does.
  bool in_tenant = true;
  bool changes = false;   // goes into the audit log also when it was allowed
  bool stream = false;    // lasts as long as the client wants
  bool new_work = false;  // refused by a server that shuts down
};
// `call` as "acclimate.v1.JobService/GetJob". PERMISSION_DENIED for an unknown one.
absl::StatusOr<Permission> PermissionFor(absl::string_view call);

}  // namespace acclimate::auth

#endif  // ACCLIMATE_SERVER_AUTH_IDENTITY_H_
