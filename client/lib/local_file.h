// Files of this machine: opened, measured and hashed.
#ifndef ACCLIMATE_CLIENT_LIB_LOCAL_FILE_H_
#define ACCLIMATE_CLIENT_LIB_LOCAL_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace acclimate::client {

class PackedFolder;

// An open file. Errors name the path and the reason.
class LocalFile {
 public:
  // INVALID_ARGUMENT: there is none, it may not be read, or it is a folder, a FIFO or a device.
  static absl::StatusOr<LocalFile> OpenForReading(const std::string& path);
  // Also a folder of pictures, which is read as one .tar (packed_folder.h).
  static absl::StatusOr<LocalFile> OpenForUpload(const std::string& path);
  // Created when absent; never truncated.
  static absl::StatusOr<LocalFile> OpenForWriting(const std::string& path);
  LocalFile(LocalFile&& other) noexcept;
  LocalFile(const LocalFile&) = delete;
  LocalFile& operator=(const LocalFile&) = delete;
  ~LocalFile();

  const std::string& path() const { return path_; }
  absl::StatusOr<int64_t> SizeBytes() const;
  // Fills `buffer` from `offset`, or up to the end of the file.
  absl::Status ReadAt(int64_t offset, int64_t size_bytes, std::string* buffer) const;
  absl::Status WriteAt(int64_t offset, const std::string& data);
  absl::Status Sync();

 private:
  LocalFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  LocalFile(PackedFolder folder, std::string path);

  int fd_;  // -1: a folder
  std::string path_;
  std::shared_ptr<const PackedFolder> folder_;
};

struct FileDigest {
  std::string sha256;  // 64 lower-case hex digits
  int64_t size_bytes = 0;
};

// Of a file, or of a folder as it is uploaded.
absl::StatusOr<FileDigest> DigestFile(const std::string& path);

// A folder and its parents; OK when it exists.
absl::Status MakeDirectories(const std::string& path);

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_LOCAL_FILE_H_
