// Resource names, as people type them and as the API wants them.
#ifndef ACCLIMATE_CLIENT_LIB_NAMES_H_
#define ACCLIMATE_CLIENT_LIB_NAMES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "acclimate/v1/job.pb.h"

namespace acclimate::client {

inline constexpr char kDefaultParent[] = "tenants/default";

// "abc" or "tenants/default/jobs/abc" -> the latter.
std::string JobName(absl::string_view name_or_id);
// A SHA-256 in hex, or a full name -> "tenants/default/blobs/<sha256>".
std::string BlobName(absl::string_view name_or_digest);
// "tenants/default/jobs/abc" -> "abc".
std::string LastSegment(absl::string_view name);

// JOB_STATE_RUNNING -> "RUNNING".
std::string StateName(v1::JobState state);
bool HasEnded(v1::JobState state);

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_NAMES_H_
