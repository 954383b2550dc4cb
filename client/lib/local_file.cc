#include "client/lib/local_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/lib/packed_folder.h"

namespace acclimate::client {
namespace {

constexpr int64_t kHashBufferBytes = 1 << 20;

absl::Status FileError(const std::string& path, const char* action) {
  return absl::ErrnoToStatus(errno, absl::StrCat(action, " ", path));
}

absl::StatusOr<int> Open(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (fd < 0) return FileError(path, "cannot open");
  return fd;
}

}  // namespace

absl::StatusOr<LocalFile> LocalFile::OpenForReading(const std::string& path) {
  // Without waiting: to open a FIFO would wait for somebody who writes to it.
  absl::StatusOr<int> fd = Open(path, O_RDONLY | O_NONBLOCK);
  if (!fd.ok()) return absl::InvalidArgumentError(fd.status().message());
  LocalFile file(*fd, path);
  struct stat info;
  if (fstat(*fd, &info) != 0) return FileError(path, "cannot stat");
  if (S_ISREG(info.st_mode)) return file;
  const char* kind = S_ISDIR(info.st_mode)    ? "a folder"
                     : S_ISFIFO(info.st_mode) ? "a FIFO, which cannot be read twice"
                                              : "no regular file";
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is ", kind, "; give a file, as its size and digest come first"));
}

absl::StatusOr<LocalFile> LocalFile::OpenForUpload(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return OpenForReading(path);
  absl::StatusOr<PackedFolder> folder = PackedFolder::Open(path);
  if (!folder.ok()) return folder.status();
  return LocalFile(*std::move(folder), path);
}

LocalFile::LocalFile(PackedFolder folder, std::string path)
    : fd_(-1),
      path_(std::move(path)),
      folder_(std::make_shared<const PackedFolder>(std::move(folder))) {}

absl::StatusOr<LocalFile> LocalFile::OpenForWriting(const std::string& path) {
  absl::StatusOr<int> fd = Open(path, O_RDWR | O_CREAT);
  if (!fd.ok()) return fd.status();
  return LocalFile(*fd, path);
}

LocalFile::LocalFile(LocalFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      folder_(std::move(other.folder_)) {}

LocalFile::~LocalFile() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<int64_t> LocalFile::SizeBytes() const {
  if (folder_ != nullptr) return folder_->size_bytes();
  struct stat info;
  if (fstat(fd_, &info) != 0) return FileError(path_, "cannot stat");
  return static_cast<int64_t>(info.st_size);
}

absl::Status LocalFile::ReadAt(int64_t offset, int64_t size_bytes, std::string* buffer) const {
  if (folder_ != nullptr) return folder_->ReadAt(offset, size_bytes, buffer);
  buffer->resize(size_bytes);
  int64_t filled = 0;
  while (filled < size_bytes) {
    const ssize_t got = pread(fd_, &(*buffer)[filled], size_bytes - filled, offset + filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(path_, "cannot read");
    if (got == 0) break;
    filled += got;
  }
  buffer->resize(filled);
  return absl::OkStatus();
}

absl::Status LocalFile::WriteAt(int64_t offset, const std::string& data) {
  size_t written = 0;
  while (written < data.size()) {
    const ssize_t put = pwrite(fd_, data.data() + written, data.size() - written, offset + written);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return FileError(path_, "cannot write");
    written += put;
  }
  return absl::OkStatus();
}

absl::Status LocalFile::Sync() {
  return fsync(fd_) == 0 ? absl::OkStatus() : FileError(path_, "cannot sync");
}

absl::StatusOr<FileDigest> DigestFile(const std::string& path) {
  absl::StatusOr<LocalFile> file = LocalFile::OpenForUpload(path);
  if (!file.ok()) return file.status();
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr);
  FileDigest digest;
  std::string buffer;
  do {
    absl::Status status = file->ReadAt(digest.size_bytes, kHashBufferBytes, &buffer);
    if (!status.ok()) return status;
    EVP_DigestUpdate(hash.get(), buffer.data(), buffer.size());
    digest.size_bytes += buffer.size();
  } while (!buffer.empty());
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(hash.get(), bytes, &length);
  digest.sha256 =
      absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(bytes), length));
  return digest;
}

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot make the folder ", path, ": ", error.message()));
  }
  return absl::OkStatus();
}

}  // namespace acclimate::client
