// Immutable blobs named by their SHA-256.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_BLOB_STORE_H_
#define ACCLIMATE_SERVER_ARTIFACTS_BLOB_STORE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace acclimate::artifacts {

struct BlobInfo {
  std::string sha256;  // 64 lower-case hex digits
  int64_t size_bytes = 0;
  absl::Time create_time;
};

// A file descriptor that closes itself.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.Release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

// Contract:
// 1. A blob that Get() has returned once is whole, has the digest it is named by, and stays.
// 2. A blob appears at once, never in part: written to the side, fsynced, renamed, and its
//    directory fsynced before a call returns OK.
// 3. Thread-safe. NOT_FOUND names the digest; RESOURCE_EXHAUSTED when the disk is full.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual absl::StatusOr<BlobInfo> Get(const std::string& sha256) = 0;
  virtual absl::StatusOr<FileDescriptor> OpenForReading(const std::string& sha256) = 0;
  // Takes over a file that was written on the store's own file system (an upload, a worker's
  // output), whose digest the caller has computed itself while writing or reading it. The file is
  // renamed away, or removed when the blob exists already.
  virtual absl::StatusOr<BlobInfo> Adopt(const std::string& path, const std::string& sha256) = 0;
  // Hashes the file, then adopts it.
  virtual absl::StatusOr<BlobInfo> Import(const std::string& path) = 0;
  // Where to write what Adopt() will take.
  virtual std::string StagingDirectory() const = 0;
};

// One store for every tenant.
class BlobStores {
 public:
  virtual ~BlobStores() = default;
  // Never null; it lives as long as this.
  virtual absl::StatusOr<BlobStore*> BlobsOf(const std::string& tenant) = 0;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_BLOB_STORE_H_
