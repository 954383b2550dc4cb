#include "server/api/tenant_access.h"

#include "server/base/errors.h"

namespace acclimate::api {
namespace {

absl::StatusOr<ResourceName> Check(absl::StatusOr<ResourceName> parsed, absl::string_view name,
                                   Caller& caller) {
  if (!parsed.ok()) return BadRequest("name", parsed.status().message());
  if (absl::Status status = caller.Authorize(parsed->tenant, name); !status.ok()) return status;
  return parsed;
}

}  // namespace

absl::StatusOr<std::string> TenantOfParent(absl::string_view parent, Caller& caller) {
  absl::StatusOr<std::string> tenant = ParseTenantName(parent);
  if (!tenant.ok()) return BadRequest("parent", tenant.status().message());
  if (absl::Status status = caller.Authorize(*tenant, parent); !status.ok()) return status;
  return tenant;
}

absl::StatusOr<ResourceName> JobOfName(absl::string_view name, Caller& caller) {
  return Check(ParseJobName(name), name, caller);
}
absl::StatusOr<ResourceName> BlobOfName(absl::string_view name, Caller& caller) {
  return Check(ParseBlobName(name), name, caller);
}
absl::StatusOr<ResourceName> UploadOfName(absl::string_view name, Caller& caller) {
  return Check(ParseUploadName(name), name, caller);
}

}  // namespace acclimate::api
