#include "server/artifacts/store_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/file_system.h"
#include "server/artifacts/sha256.h"
#include "server/base/resource_names.h"

namespace acclimate::artifacts {
namespace {

namespace fs = std::filesystem;

// Names of a folder, sorted; of one that is not there, none.
absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::UnavailableError(absl::StrCat("cannot list ", folder, ": ", error.message()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The digest of a file's bytes.
absl::StatusOr<std::string> DigestOf(const std::string& path, int64_t& size_bytes) {
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDONLY);
  if (!file.ok()) return file.status();
  absl::StatusOr<int64_t> size = FileSize(file->get(), path);
  if (!size.ok()) return size.status();
  size_bytes = *size;
  Sha256 hash;
  if (absl::Status status = HashFile(file->get(), *size, hash); !status.ok()) return status;
  return hash.Finish();
}

absl::Status CheckBlobs(const std::string& folder, const std::string& tenant, StoreCheck& check,
                        const ProblemReport& report) {
  const auto shards = NamesIn(folder + "/blobs");
  if (!shards.ok()) return shards.status();
  for (const std::string& shard : *shards) {
    const auto names = NamesIn(absl::StrCat(folder, "/blobs/", shard));
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      const std::string path = absl::StrCat(folder, "/blobs/", shard, "/", name);
      if (!IsSha256(name) || name.substr(0, 2) != shard) {
        report(path, "is no blob");
        continue;
      }
      int64_t size_bytes = 0;
      const absl::StatusOr<std::string> digest = DigestOf(path, size_bytes);
      if (absl::IsNotFound(digest.status())) continue;  // collected meanwhile
      ++check.blobs;
      check.bytes += size_bytes;
      if (!digest.ok()) {
        report(BlobName(tenant, name), std::string(digest.status().message()));
      } else if (*digest != name) {
        report(BlobName(tenant, name),
               absl::StrCat("is damaged: its ", size_bytes, " bytes hash to ", *digest));
      }
    }
  }
  const auto quarantined = NamesIn(folder + "/quarantine");
  if (!quarantined.ok()) return quarantined.status();
  for (const std::string& name : *quarantined) {
    report(BlobName(tenant, name), "is damaged and quarantined");
  }
  return absl::OkStatus();
}

// Empty where there is nothing wrong with it.
std::string ProblemOfUpload(const std::string& description, const std::string& data,
                            const std::string& tenant) {
  std::ifstream file(description);
  if (!file) return "";  // it has ended meanwhile
  const nlohmann::json text = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  int64_t size_bytes = 0;
  try {
    if (text.at("tenant").get<std::string>() != tenant) return "belongs to another tenant";
    if (!IsSha256(text.at("sha256").get<std::string>())) return "its description has no SHA-256";
    text.at("size_bytes").get_to(size_bytes);
  } catch (const nlohmann::json::exception&) {
    return "its description cannot be read";
  }
  struct stat info {};
  if (stat(data.c_str(), &info) == 0 && info.st_size > size_bytes) {
    return absl::StrCat("has ", info.st_size, " bytes; ", size_bytes, " were announced");
  }
  return "";
}

absl::Status CheckUploads(const std::string& folder, const std::string& tenant,
                          const ProblemReport& report) {
  const auto names = NamesIn(folder + "/uploads");
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const fs::path path = fs::path(folder) / "uploads" / name;
    const std::string id = path.stem();
    if (path.extension() == ".json") {
      const std::string problem =
          ProblemOfUpload(path, fs::path(path).replace_extension(".data"), tenant);
      if (!problem.empty()) report(UploadName(tenant, id), problem);
    } else if (path.extension() != ".data" && path.extension() != ".new") {
      report(path, "is no upload");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> TenantsIn(const std::string& data_directory) {
  std::vector<std::string> tenants = {std::string(kDefaultTenant)};
  std::error_code ignored;  // there are no others
  for (fs::directory_iterator it(data_directory + "/tenants", ignored), end; it != end;
       it.increment(ignored)) {
    const std::string tenant = it->path().filename();
    if (ParseTenantName(absl::StrCat("tenants/", tenant)).ok()) tenants.push_back(tenant);
  }
  return tenants;
}

std::string FolderOf(const std::string& data_directory, const std::string& tenant) {
  if (tenant == kDefaultTenant) return data_directory;
  return absl::StrCat(data_directory, "/tenants/", tenant);
}

std::vector<std::string> BlobsIn(const std::string& folder) {
  std::vector<std::string> digests;
  std::error_code ignored;
  for (fs::recursive_directory_iterator it(folder + "/blobs", ignored), end; it != end;
       it.increment(ignored)) {
    const std::string name = it->path().filename();
    if (IsSha256(name)) digests.push_back(name);
  }
  std::sort(digests.begin(), digests.end());
  return digests;
}

std::string BlobPath(const std::string& folder, const std::string& sha256) {
  return absl::StrCat(folder, "/blobs/", sha256.substr(0, 2), "/", sha256);
}

absl::StatusOr<StoreCheck> CheckStores(const std::string& data_directory, const std::string& tenant,
                                       const ProblemReport& report) {
  const std::string folder = FolderOf(data_directory, tenant);
  StoreCheck check;
  absl::Status status = CheckBlobs(folder, tenant, check, report);
  if (status.ok()) status = CheckUploads(folder, tenant, report);
  if (!status.ok()) return status;
  return check;
}

absl::StatusOr<bool> CopyBlob(const std::string& from_folder, const std::string& to_folder,
                              const std::string& sha256) {
  const std::string path = BlobPath(to_folder, sha256), side = path + ".new";
  if (access(path.c_str(), F_OK) == 0) return false;
  absl::StatusOr<FileDescriptor> from = OpenFile(BlobPath(from_folder, sha256), O_RDONLY);
  if (!from.ok()) return from.status();
  struct stat info {};
  if (fstat(from->get(), &info) != 0) return FileError("stat", BlobPath(from_folder, sha256));
  absl::Status status = MakeDirectories(fs::path(path).parent_path());
  if (!status.ok()) return status;
  absl::StatusOr<FileDescriptor> to = OpenFile(side, O_WRONLY | O_CREAT | O_TRUNC);
  if (!to.ok()) return to.status();
  Sha256 hash;
  std::string data;
  for (int64_t offset = 0; status.ok() && offset < info.st_size;) {
    const int64_t size = std::min<int64_t>(info.st_size - offset, 1 << 20);
    status = ReadAt(from->get(), offset, static_cast<size_t>(size), data);
    if (status.ok()) status = WriteAt(to->get(), data, offset, side);
    hash.Update(data);
    offset += size;
  }
  if (status.ok() && hash.Finish() != sha256) {
    status = absl::DataLossError("is damaged where it is copied from");
  }
  const timespec times[] = {{0, UTIME_NOW}, info.st_mtim};
  if (status.ok() && (futimens(to->get(), times) != 0 || fchmod(to->get(), 0440) != 0 ||
                      fsync(to->get()) != 0 || rename(side.c_str(), path.c_str()) != 0)) {
    status = FileError("write", side);
  }
  if (status.ok()) status = SyncDirectory(fs::path(path).parent_path());
  if (!status.ok()) {
    unlink(side.c_str());
    return status;
  }
  return true;
}

}  // namespace acclimate::artifacts
