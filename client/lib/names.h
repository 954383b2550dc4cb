// Resource names, as people type them and as the API wants them.
#ifndef ACCLIMATE_CLIENT_LIB_NAMES_H_
#define ACCLIMATE_CLIENT_LIB_NAMES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "acclimate/v1/job.pb.h"

namespace acclimate::client {

inline constexpr char kDefaultParent[] = "tenants/default";

// "abc" or "tenants/default/jobs/abc" -> the latter. `parent` is the tenant of what is no full
// name.
std::string JobName(absl::string_view name_or_id, absl::string_view parent = kDefaultParent);
// A SHA-256 in hex, or a full name -> "tenants/default/blobs/<sha256>".
std::string BlobName(absl::string_view name_or_digest, absl::string_view parent = kDefaultParent);
// Whether it is written as the full name of a blob: "tenants/{tenant}/blobs/{64 hex digits}".
bool IsBlobName(absl::string_view name);
// "tenants/default/jobs/abc" -> "abc".
std::string LastSegment(absl::string_view name);

// JOB_STATE_RUNNING -> "RUNNING".
std::string StateName(v1::JobState state);
bool HasEnded(v1::JobState state);

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_NAMES_H_
