#include "server/auth/identity.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/base/resource_names.h"

namespace acclimate::auth {
namespace {

constexpr bool kInTenant = true, kChanges = true, kReads = false;
constexpr bool kCall = false, kStream = true, kNewWork = true;
constexpr const char* kRoleNames[] = {"none", "viewer", "submitter", "operator", "admin"};

const std::map<absl::string_view, Permission>& Permissions() {
  static const auto& permissions = *new std::map<absl::string_view, Permission>{
      {"acclimate.v1.JobService/CreateJob",
       {Role::kSubmitter, kInTenant, kChanges, kCall, kNewWork}},
      {"acclimate.v1.JobService/GetJob", {Role::kViewer}},
      {"acclimate.v1.JobService/ListJobs", {Role::kViewer}},
      {"acclimate.v1.JobService/WatchJob", {Role::kViewer, kInTenant, kReads, kStream}},
      {"acclimate.v1.JobService/CancelJob", {Role::kSubmitter, kInTenant, kChanges}},
      {"acclimate.v1.JobService/PauseJob", {Role::kSubmitter, kInTenant, kChanges}},
      {"acclimate.v1.JobService/ResumeJob", {Role::kSubmitter, kInTenant, kChanges}},
      {"acclimate.v1.JobService/RetryJob",
       {Role::kSubmitter, kInTenant, kChanges, kCall, kNewWork}},
      {"acclimate.v1.JobService/DeleteJob", {Role::kOperator, kInTenant, kChanges}},
      {"acclimate.v1.ArtifactService/FindMissingBlobs", {Role::kViewer}},
      {"acclimate.v1.ArtifactService/CreateUpload",
       {Role::kSubmitter, kInTenant, kChanges, kCall, kNewWork}},
      {"acclimate.v1.ArtifactService/WriteUpload",
       {Role::kSubmitter, kInTenant, kChanges, kStream, kNewWork}},
      {"acclimate.v1.ArtifactService/GetUpload", {Role::kViewer}},
      {"acclimate.v1.ArtifactService/AbortUpload", {Role::kSubmitter, kInTenant, kChanges}},
      {"acclimate.v1.ArtifactService/GetBlob", {Role::kViewer}},
      {"acclimate.v1.ArtifactService/ReadBlob", {Role::kViewer, kInTenant, kReads, kStream}},
      {"acclimate.v1.ArtifactService/PinBlob", {Role::kSubmitter, kInTenant, kChanges}},
      {"acclimate.v1.ArtifactService/UnpinBlob", {Role::kSubmitter, kInTenant, kChanges}},
      {"acclimate.v1.CatalogService/ListMethods", {Role::kViewer, /*in_tenant=*/false}},
      {"acclimate.v1.CatalogService/GetMethod", {Role::kViewer, /*in_tenant=*/false}},
      {"acclimate.v1.AdminService/GetServerInfo", {Role::kViewer, /*in_tenant=*/false}},
      {"acclimate.v1.AdminService/SetLogLevel", {Role::kAdmin, /*in_tenant=*/false, kChanges}},
  };
  return permissions;
}

}  // namespace

std::string RoleName(Role role) { return kRoleNames[static_cast<size_t>(role)]; }

absl::StatusOr<Role> ParseRole(absl::string_view name) {
  for (const Role role : {Role::kViewer, Role::kSubmitter, Role::kOperator, Role::kAdmin}) {
    if (name == RoleName(role)) return role;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown role \"", name, "\": there are viewer, submitter, operator and admin"));
}

Role Identity::RoleIn(absl::string_view tenant) const {
  Role role = Role::kNone;
  for (const auto& [of, known] : roles) {
    if (of == tenant || of == kEveryTenant) role = std::max(role, known);
  }
  return role;
}

Role Identity::HighestRole() const {
  Role role = Role::kNone;
  for (const auto& [tenant, known] : roles) role = std::max(role, known);
  return role;
}

absl::Status AddRole(absl::string_view text, std::map<std::string, Role>& roles) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" must have the form TENANT:ROLE, as default:submitter"));
  }
  const absl::string_view tenant = text.substr(0, colon);
  if (tenant != kEveryTenant && !ParseTenantName(absl::StrCat("tenants/", tenant)).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", tenant, "\" is no tenant: letters, digits, - and _, or * for all"));
  }
  const absl::StatusOr<Role> role = ParseRole(text.substr(colon + 1));
  if (!role.ok()) return role.status();
  roles[std::string(tenant)] = *role;
  return absl::OkStatus();
}

absl::StatusOr<Permission> PermissionFor(absl::string_view call) {
  const auto found = Permissions().find(call);
  if (found != Permissions().end()) return found->second;
  return absl::PermissionDeniedError(absl::StrCat("nobody may call ", call));
}

}  // namespace acclimate::auth
