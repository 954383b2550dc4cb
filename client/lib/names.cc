#include "client/lib/names.h"

#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace acclimate::client {
namespace {

std::string FullName(absl::string_view parent, absl::string_view collection,
                     absl::string_view name_or_id) {
  if (absl::StrContains(name_or_id, '/')) return std::string(name_or_id);
  return absl::StrCat(parent, "/", collection, "/", name_or_id);
}

}  // namespace

std::string JobName(absl::string_view name_or_id, absl::string_view parent) {
  return FullName(parent, "jobs", name_or_id);
}

std::string BlobName(absl::string_view name_or_digest, absl::string_view parent) {
  return FullName(parent, "blobs", name_or_digest);
}

bool IsBlobName(absl::string_view name) {
  constexpr size_t kDigestDigits = 64;
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  return parts.size() == 4 && parts[0] == "tenants" && !parts[1].empty() && parts[2] == "blobs" &&
         parts[3].size() == kDigestDigits && absl::c_all_of(parts[3], absl::ascii_isxdigit);
}

std::string LastSegment(absl::string_view name) {
  return std::string(name.substr(name.rfind('/') + 1));
}

std::string StateName(v1::JobState state) {
  const std::string name = v1::JobState_Name(state);
  return std::string(absl::StripPrefix(name, "JOB_STATE_"));
}

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

}  // namespace acclimate::client
