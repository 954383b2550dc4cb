#include "server/maintenance/fsck.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "server/artifacts/store_check.h"
#include "server/base/resource_names.h"
#include "server/jobs/job_store_check.h"

namespace acclimate::maintenance {
namespace {

bool IsThere(const std::string& data_directory, const jobs::NeededBlob& blob) {
  std::error_code ignored;
  return std::filesystem::exists(
      artifacts::BlobPath(artifacts::FolderOf(data_directory, blob.tenant), blob.sha256), ignored);
}

// A job that was deleted meanwhile needs none.
absl::Status FindMissingBlobs(const std::string& data_directory, const std::string& store,
                              FsckResult& result) {
  const absl::StatusOr<std::vector<jobs::NeededBlob>> needed = jobs::NeededBlobs(store);
  if (!needed.ok()) return needed.status();
  for (const jobs::NeededBlob& blob : *needed) {
    if (IsThere(data_directory, blob)) continue;
    const absl::StatusOr<bool> still = jobs::IsNeeded(store, blob);
    if (!still.ok()) return still.status();
    if (!*still) continue;
    result.problems.push_back(
        {BlobName(blob.tenant, blob.sha256), absl::StrCat("is missing; ", blob.job, " needs it")});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FsckResult> Fsck(const std::string& data_directory) {
  const std::string store = data_directory + "/jobs.sqlite";
  FsckResult result;
  const auto report = [&result](const std::string& what, const std::string& problem) {
    result.problems.push_back({what, problem});
  };
  if (absl::Status status = jobs::CheckJobStore(store, report); !status.ok()) return status;
  for (const std::string& tenant : artifacts::TenantsIn(data_directory)) {
    const absl::StatusOr<artifacts::StoreCheck> check =
        artifacts::CheckStores(data_directory, tenant, report);
    if (!check.ok()) return check.status();
    result.blobs += check->blobs;
    result.bytes += check->bytes;
  }
  const absl::Status missing = FindMissingBlobs(data_directory, store, result);
  if (absl::IsDataLoss(missing)) {
    report(store, absl::StrCat("what jobs need is unknown: ", missing.message()));
  } else if (!missing.ok()) {
    return missing;
  }
  return result;
}

}  // namespace acclimate::maintenance
