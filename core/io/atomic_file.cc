#include "core/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace acclimate::io {
namespace {

constexpr char kDiskFull[] = "acclimate/disk_full";  // a payload

}  // namespace

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  AtomicFile file(path, -1);
  file.fd_ = open(file.partial_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file.fd_ < 0) return file.Error("create");
  return file;
}

AtomicFile::AtomicFile(std::string path, int fd)
    : path_(std::move(path)), partial_path_(path_ + ".partial"), fd_(fd) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_path_(std::move(other.partial_path_)),
      fd_(std::exchange(other.fd_, -1)) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(partial_path_.c_str());
}

absl::Status AtomicFile::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error("write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Commit() {
  if (fsync(fd_) != 0) return Error("sync");
  if (rename(partial_path_.c_str(), path_.c_str()) != 0) return Error("rename");
  close(std::exchange(fd_, -1));
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  const int folder_fd = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (folder_fd < 0) return Error("open the folder of");
  absl::Cleanup closer = [folder_fd] { close(folder_fd); };
  if (fsync(folder_fd) != 0) return Error("sync the folder of");
  return absl::OkStatus();
}

absl::Status AtomicFile::Error(absl::string_view action) const {
  return WriteError(absl::StrCat(action, " ", path_));
}

absl::Status WriteError(absl::string_view what) {
  const bool disk_full = errno == ENOSPC || errno == EDQUOT;
  absl::Status status = absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what));
  if (disk_full) status.SetPayload(kDiskFull, absl::Cord());
  return status;
}

bool IsDiskFull(const absl::Status& status) { return status.GetPayload(kDiskFull).has_value(); }

}  // namespace acclimate::io
