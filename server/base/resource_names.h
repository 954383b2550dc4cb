// The names of resources: "tenants/{tenant}/jobs/{job}" and its like.
#ifndef ACCLIMATE_SERVER_BASE_RESOURCE_NAMES_H_
#define ACCLIMATE_SERVER_BASE_RESOURCE_NAMES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate {

inline constexpr absl::string_view kDefaultTenant = "default";

struct ResourceName {
  std::string tenant;
  std::string id;  // of the job, the upload; the digest of a blob
};

// INVALID_ARGUMENT, without details, says what the form is: a caller knows the field.
absl::StatusOr<std::string> ParseTenantName(absl::string_view name);  // the tenant
absl::StatusOr<ResourceName> ParseJobName(absl::string_view name);
absl::StatusOr<ResourceName> ParseBlobName(absl::string_view name);
absl::StatusOr<ResourceName> ParseUploadName(absl::string_view name);

// The tenant of a job's name; empty: it is none.
std::string TenantOfJob(absl::string_view name);

std::string JobName(absl::string_view tenant, absl::string_view job);
std::string BlobName(absl::string_view tenant, absl::string_view sha256);
std::string UploadName(absl::string_view tenant, absl::string_view upload);

// 64 lower-case hex digits.
bool IsSha256(absl::string_view text);

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_RESOURCE_NAMES_H_
