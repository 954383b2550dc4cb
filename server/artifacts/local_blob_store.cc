#include "server/artifacts/local_blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/artifacts/file_system.h"
#include "server/artifacts/sha256.h"
#include "server/base/resource_names.h"

namespace acclimate::artifacts {
namespace {

absl::Status NoSuchBlob(const std::string& sha256) {
  return absl::NotFoundError(absl::StrCat("there is no blob with the SHA-256 ", sha256));
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalBlobStore>> LocalBlobStore::Open(
    const std::string& directory, metrics::ServerMetrics* metrics) {
  auto store = absl::WrapUnique(new LocalBlobStore(directory, metrics));
  if (absl::Status status = store->Prepare(); !status.ok()) return status;
  return store;
}

LocalBlobStore::LocalBlobStore(std::string directory, metrics::ServerMetrics* metrics)
    : directory_(std::move(directory)), metrics_(metrics) {}

absl::Status LocalBlobStore::Prepare() {
  // All shards at once: a blob then needs one directory sync, that of its shard.
  for (int shard = 0; shard < 256; ++shard) {
    const std::string path = absl::StrFormat("%s/blobs/%02x", directory_, shard);
    if (absl::Status status = MakeDirectories(path); !status.ok()) return status;
  }
  std::error_code ignored;
  std::filesystem::remove_all(StagingDirectory(), ignored);
  if (absl::Status status = MakeDirectories(StagingDirectory()); !status.ok()) return status;
  if (absl::Status status = SyncDirectory(directory_ + "/blobs"); !status.ok()) return status;
  return SyncDirectory(directory_);
}

std::string LocalBlobStore::ShardOf(const std::string& sha256) const {
  return absl::StrCat(directory_, "/blobs/", sha256.substr(0, 2));
}

std::string LocalBlobStore::PathOf(const std::string& sha256) const {
  return absl::StrCat(ShardOf(sha256), "/", sha256);
}

std::string LocalBlobStore::StagingDirectory() const { return directory_ + "/staging"; }

absl::StatusOr<BlobInfo> LocalBlobStore::Get(const std::string& sha256) {
  struct stat info {};
  if (!IsSha256(sha256)) return NoSuchBlob(sha256);
  if (stat(PathOf(sha256).c_str(), &info) != 0) {
    if (errno == ENOENT) return NoSuchBlob(sha256);
    return FileError("stat", PathOf(sha256));
  }
  return BlobInfo{sha256, info.st_size, absl::TimeFromTimespec(info.st_mtim)};
}

absl::StatusOr<FileDescriptor> LocalBlobStore::OpenForReading(const std::string& sha256) {
  if (!IsSha256(sha256)) return NoSuchBlob(sha256);
  absl::StatusOr<FileDescriptor> file = OpenFile(PathOf(sha256), O_RDONLY);
  if (absl::IsNotFound(file.status())) return NoSuchBlob(sha256);
  return file;
}

absl::Status LocalBlobStore::Sync(const std::string& path) {
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDONLY);
  if (!file.ok()) return file.status();
  const absl::Time start = absl::Now();
  if (fdatasync(file->get()) != 0) return FileError("sync", path);
  metrics_->ObserveFsync("blobs", absl::Now() - start);
  return absl::OkStatus();
}

absl::StatusOr<BlobInfo> LocalBlobStore::Adopt(const std::string& path, const std::string& sha256) {
  if (!IsSha256(sha256)) {
    return absl::InvalidArgumentError(absl::StrCat("not a SHA-256: \"", sha256, "\""));
  }
  absl::StatusOr<BlobInfo> existing = Get(sha256);
  if (existing.ok()) {
    // Whoever put it there may not have synced the directory yet.
    if (absl::Status status = SyncDirectory(ShardOf(sha256)); !status.ok()) return status;
    unlink(path.c_str());
    return existing;
  }
  if (absl::Status status = Sync(path); !status.ok()) return status;
  chmod(path.c_str(), 0440);
  if (rename(path.c_str(), PathOf(sha256).c_str()) != 0) return FileError("rename", path);
  if (absl::Status status = SyncDirectory(ShardOf(sha256)); !status.ok()) return status;
  return Get(sha256);
}

absl::StatusOr<BlobInfo> LocalBlobStore::Import(const std::string& path) {
  absl::StatusOr<FileDescriptor> file = OpenFile(path, O_RDONLY);
  if (!file.ok()) return file.status();
  absl::StatusOr<int64_t> size = FileSize(file->get(), path);
  if (!size.ok()) return size.status();
  Sha256 hash;
  if (absl::Status status = HashFile(file->get(), *size, hash); !status.ok()) return status;
  return Adopt(path, hash.Finish());
}

}  // namespace acclimate::artifacts
