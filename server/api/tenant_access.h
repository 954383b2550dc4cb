// Names in requests, checked: malformed ones are INVALID_ARGUMENT with the field, those of a tenant
// in which the caller may not make the call PERMISSION_DENIED.
#ifndef ACCLIMATE_SERVER_API_TENANT_ACCESS_H_
#define ACCLIMATE_SERVER_API_TENANT_ACCESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/api/rpc.h"
#include "server/base/resource_names.h"

namespace acclimate::api {

absl::StatusOr<std::string> TenantOfParent(absl::string_view parent, Caller& caller);
absl::StatusOr<ResourceName> JobOfName(absl::string_view name, Caller& caller);
absl::StatusOr<ResourceName> BlobOfName(absl::string_view name, Caller& caller);
absl::StatusOr<ResourceName> UploadOfName(absl::string_view name, Caller& caller);

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_TENANT_ACCESS_H_
