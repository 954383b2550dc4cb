#include "server/api/tenant_access.h"

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace acclimate::api {
namespace {

absl::Status CheckTenant(const std::string& tenant) {
  if (tenant == kDefaultTenant) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("there is no tenant ", tenant));
}

absl::StatusOr<ResourceName> Check(absl::StatusOr<ResourceName> name) {
  if (!name.ok()) return BadRequest("name", name.status().message());
  if (absl::Status status = CheckTenant(name->tenant); !status.ok()) return status;
  return name;
}

}  // namespace

absl::StatusOr<std::string> TenantOfParent(absl::string_view parent) {
  absl::StatusOr<std::string> tenant = ParseTenantName(parent);
  if (!tenant.ok()) return BadRequest("parent", tenant.status().message());
  if (absl::Status status = CheckTenant(*tenant); !status.ok()) return status;
  return tenant;
}

absl::StatusOr<ResourceName> JobOfName(absl::string_view name) { return Check(ParseJobName(name)); }
absl::StatusOr<ResourceName> BlobOfName(absl::string_view name) {
  return Check(ParseBlobName(name));
}
absl::StatusOr<ResourceName> UploadOfName(absl::string_view name) {
  return Check(ParseUploadName(name));
}

}  // namespace acclimate::api
