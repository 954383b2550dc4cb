// Names in requests, checked: malformed ones are INVALID_ARGUMENT with the field, those of a tenant
// that does not exist NOT_FOUND.
#ifndef ACCLIMATE_SERVER_API_TENANT_ACCESS_H_
#define ACCLIMATE_SERVER_API_TENANT_ACCESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/resource_names.h"

namespace acclimate::api {

absl::StatusOr<std::string> TenantOfParent(absl::string_view parent);
absl::StatusOr<ResourceName> JobOfName(absl::string_view name);
absl::StatusOr<ResourceName> BlobOfName(absl::string_view name);
absl::StatusOr<ResourceName> UploadOfName(absl::string_view name);

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_TENANT_ACCESS_H_
