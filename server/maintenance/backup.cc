#include "server/maintenance/backup.h"

#include <filesystem>
#include <map>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/artifacts/file_system.h"
#include "server/artifacts/store_check.h"
#include "server/base/resource_names.h"
#include "server/jobs/job_store_check.h"

namespace acclimate::maintenance {
namespace {

namespace fs = std::filesystem;

constexpr char kStore[] = "/jobs.sqlite", kAuditLog[] = "/audit.jsonl", kPins[] = "/pins",
               kLock[] = "/lock";
// Blobs may be collected while they are copied, with the jobs that needed them: the next copy of
// the store then has these jobs no more.
constexpr int kMaxRounds = 8;

// Blobs that could not be copied, by resource name, and why.
using Failures = std::map<std::string, std::string>;

absl::Status CopyBlobs(const std::string& from, const std::string& to, Failures& failures) {
  failures.clear();
  for (const std::string& tenant : artifacts::TenantsIn(from)) {
    const std::string folder = artifacts::FolderOf(from, tenant);
    for (const std::string& sha256 : artifacts::BlobsIn(folder)) {
      const absl::Status status =
          artifacts::CopyBlob(folder, artifacts::FolderOf(to, tenant), sha256).status();
      if (absl::IsDataLoss(status)) {
        failures[BlobName(tenant, sha256)] = std::string(status.message());
      } else if (!status.ok() && !absl::IsNotFound(status)) {
        return status;
      }
    }
  }
  return absl::OkStatus();
}

// Whether the copy of the store needs a blob that the copy does not have and that could have been
// copied, had it not been collected.
absl::StatusOr<bool> LacksBlobs(const std::string& to, const Failures& failures) {
  const absl::StatusOr<std::vector<jobs::NeededBlob>> needed = jobs::NeededBlobs(to + kStore);
  if (!needed.ok()) return needed.status();
  for (const jobs::NeededBlob& blob : *needed) {
    std::error_code ignored;
    const std::string folder = artifacts::FolderOf(to, blob.tenant);
    if (!fs::exists(artifacts::BlobPath(folder, blob.sha256), ignored) &&
        failures.count(BlobName(blob.tenant, blob.sha256)) == 0) {
      return true;
    }
  }
  return false;
}

absl::Status CopyFiles(const std::string& from, const std::string& to) {
  std::error_code error;
  if (fs::exists(from + kAuditLog)) {
    fs::copy_file(from + kAuditLog, to + kAuditLog, fs::copy_options::overwrite_existing, error);
  }
  for (const std::string& tenant : artifacts::TenantsIn(from)) {
    const std::string pins = artifacts::FolderOf(from, tenant) + kPins;
    const std::string copy = artifacts::FolderOf(to, tenant) + kPins;
    if (!error) fs::remove_all(copy, error);
    if (!error && fs::exists(pins)) {
      fs::create_directories(copy, error);
      if (!error) fs::copy(pins, copy, error);
    }
  }
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot copy ", from, ": ", error.message()));
}

// Those that an earlier backup has left and that are damaged now. True: there were some.
bool RemoveDamagedBlobs(const std::string& folder, const std::vector<Problem>& problems) {
  bool removed = false;
  for (const Problem& problem : problems) {
    const absl::StatusOr<ResourceName> blob = ParseBlobName(problem.what);
    if (!blob.ok()) continue;
    std::error_code ignored;
    const std::string path =
        artifacts::BlobPath(artifacts::FolderOf(folder, blob->tenant), blob->id);
    removed |= fs::remove(path, ignored);
  }
  return removed;
}

absl::StatusOr<FsckResult> CopyAndCheck(const std::string& from, const std::string& to) {
  if (!fs::exists(from + kStore)) {
    return absl::NotFoundError(absl::StrCat(from, " has no jobs.sqlite: it is no data directory"));
  }
  if (absl::Status status = artifacts::MakeDirectories(to); !status.ok()) return status;
  Failures failures;
  for (int round = 0; round < kMaxRounds; ++round) {
    absl::Status status = jobs::CopyJobStore(from + kStore, to + kStore);
    if (status.ok()) status = CopyBlobs(from, to, failures);
    if (!status.ok()) return status;
    const absl::StatusOr<bool> lacks = LacksBlobs(to, failures);
    if (!lacks.ok()) return lacks.status();
    if (!*lacks) break;
  }
  absl::Status status = CopyFiles(from, to);
  if (status.ok()) status = artifacts::SyncDirectory(to);
  if (!status.ok()) return status;
  absl::StatusOr<FsckResult> result = Fsck(to);
  if (result.ok() && RemoveDamagedBlobs(to, result->problems)) {
    if (absl::Status status = CopyBlobs(from, to, failures); !status.ok()) return status;
    result = Fsck(to);
  }
  if (!result.ok()) return result;
  for (const auto& [blob, why] : failures) result->problems.push_back({blob, why});
  return result;
}

}  // namespace

absl::StatusOr<FsckResult> BackUp(const std::string& data_directory, const std::string& to) {
  if (fs::exists(to + kLock)) {
    return absl::FailedPreconditionError(
        absl::StrCat(to, " is a server's data directory; back up into another folder"));
  }
  return CopyAndCheck(data_directory, to);
}

absl::StatusOr<FsckResult> Restore(const std::string& backup, const std::string& data_directory) {
  std::error_code ignored;
  if (fs::exists(data_directory, ignored) && !fs::is_empty(data_directory, ignored)) {
    return absl::FailedPreconditionError(
        absl::StrCat(data_directory, " is not empty; restore into a new folder"));
  }
  return CopyAndCheck(backup, data_directory);
}

}  // namespace acclimate::maintenance
