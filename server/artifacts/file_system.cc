#include "server/artifacts/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace acclimate::artifacts {

FileDescriptor::~FileDescriptor() {
  if (valid()) close(fd_);
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (valid()) close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

absl::Status FileError(absl::string_view action, const std::string& path) {
  const int error = errno;
  const std::string message = absl::StrCat("cannot ", action, " ", path, ": ", strerror(error));
  if (error == ENOSPC || error == EDQUOT) return QuotaExceeded(v1::DISK_FULL, "disk", message);
  if (error == ENOENT) return absl::NotFoundError(message);
  return absl::UnavailableError(message);
}

bool IsDiskFull(const absl::Status& status) {
  return ReasonOf(status) == v1::ErrorReason_Name(v1::DISK_FULL);
}

absl::StatusOr<FileDescriptor> OpenFile(const std::string& path, int flags) {
  FileDescriptor file(open(path.c_str(), flags | O_CLOEXEC, 0640));
  if (!file.valid()) return FileError("open", path);
  return file;
}

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  errno = error.value();
  return error ? FileError("make directory", path) : absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& path) {
  absl::StatusOr<FileDescriptor> directory = OpenFile(path, O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) return directory.status();
  if (fsync(directory->get()) != 0) return FileError("sync directory", path);
  return absl::OkStatus();
}

absl::Status WriteAt(int fd, absl::string_view data, int64_t offset, const std::string& path) {
  while (!data.empty()) {
    const ssize_t written = pwrite(fd, data.data(), data.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError("write", path);
    data.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  return absl::OkStatus();
}

absl::Status WriteFileDurably(const std::string& path, absl::string_view content) {
  const std::string side = absl::StrCat(path, ".new");
  absl::StatusOr<FileDescriptor> file = OpenFile(side, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.ok()) return file.status();
  if (absl::Status status = WriteAt(file->get(), content, 0, side); !status.ok()) return status;
  if (fdatasync(file->get()) != 0) return FileError("sync", side);
  if (rename(side.c_str(), path.c_str()) != 0) return FileError("rename", side);
  return SyncDirectory(std::filesystem::path(path).parent_path());
}

absl::Status ReadAt(int fd, int64_t offset, size_t size, std::string& data) {
  data.resize(size);
  for (size_t done = 0; done < size;) {
    const ssize_t got =
        pread(fd, data.data() + done, size - done, offset + static_cast<int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", absl::StrCat("the blob at ", offset));
    if (got == 0) return absl::DataLossError(absl::StrCat("the blob ends before byte ", offset));
    done += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> FileSize(int fd, const std::string& path) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return FileError("stat", path);
  return info.st_size;
}

absl::StatusOr<int64_t> FreeDiskBytes(const std::string& path) {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) return FileError("stat the file system of", path);
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
}

absl::StatusOr<int64_t> DiskBytes(const std::string& path) {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) return FileError("stat the file system of", path);
  // Blocks that only root may use are neither free nor used.
  const fsblkcnt_t blocks = info.f_blocks - (info.f_bfree - info.f_bavail);
  return static_cast<int64_t>(blocks) * static_cast<int64_t>(info.f_frsize);
}

}  // namespace acclimate::artifacts
