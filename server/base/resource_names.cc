#include "server/base/resource_names.h"

#include <algorithm>
#include <vector>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace acclimate {
namespace {

constexpr size_t kMaxIdLength = 128;

// What every segment that a client may choose is made of.
bool IsId(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxIdLength &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

absl::StatusOr<ResourceName> Parse(absl::string_view name, absl::string_view collection,
                                   absl::string_view form, bool (*is_id)(absl::string_view)) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  if (parts.size() != 4 || parts[0] != "tenants" || parts[2] != collection || !IsId(parts[1]) ||
      !is_id(parts[3])) {
    return absl::InvalidArgumentError(
        absl::StrCat("must have the form ", form, "; is \"", name, "\""));
  }
  return ResourceName{std::string(parts[1]), std::string(parts[3])};
}

}  // namespace

absl::StatusOr<std::string> ParseTenantName(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  if (parts.size() != 2 || parts[0] != "tenants" || !IsId(parts[1])) {
    return absl::InvalidArgumentError(
        absl::StrCat("must have the form tenants/{tenant}; is \"", name, "\""));
  }
  return std::string(parts[1]);
}

absl::StatusOr<ResourceName> ParseJobName(absl::string_view name) {
  return Parse(name, "jobs", "tenants/{tenant}/jobs/{job}", IsId);
}
absl::StatusOr<ResourceName> ParseBlobName(absl::string_view name) {
  return Parse(name, "blobs", "tenants/{tenant}/blobs/{sha256 in 64 hex digits}", IsSha256);
}
absl::StatusOr<ResourceName> ParseUploadName(absl::string_view name) {
  return Parse(name, "uploads", "tenants/{tenant}/uploads/{upload}", IsId);
}

std::string TenantOfJob(absl::string_view name) {
  absl::StatusOr<ResourceName> job = ParseJobName(name);
  return job.ok() ? std::move(job->tenant) : "";
}

std::string JobName(absl::string_view tenant, absl::string_view job) {
  return absl::StrCat("tenants/", tenant, "/jobs/", job);
}
std::string BlobName(absl::string_view tenant, absl::string_view sha256) {
  return absl::StrCat("tenants/", tenant, "/blobs/", sha256);
}
std::string UploadName(absl::string_view tenant, absl::string_view upload) {
  return absl::StrCat("tenants/", tenant, "/uploads/", upload);
}

bool IsSha256(absl::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

}  // namespace acclimate
