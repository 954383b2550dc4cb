// Hashes and writes a stream on a thread of its own, so that the caller can receive the next chunk
// meanwhile.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_BLOB_WRITER_H_
#define ACCLIMATE_SERVER_ARTIFACTS_BLOB_WRITER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/artifacts/sha256.h"

namespace acclimate::artifacts {

// For one caller. The descriptor stays the caller's and outlives the writer.
class BlobWriter {
 public:
  // `hash` has seen the first `offset` bytes of the file already.
  BlobWriter(int fd, std::string path, int64_t offset, Sha256 hash);
  ~BlobWriter();

  // Takes the chunk that follows; waits while too many are under way. Returns the first error of
  // the disk, whichever chunk had it.
  absl::Status Append(std::string chunk);
  // Waits for all that was appended to be hashed and written (not synced). Then nothing may follow.
  absl::Status Finish();
  // After Finish(): of the whole file.
  std::string Digest() { return hash_.Finish(); }

 private:
  void Run();
  absl::Status Write(const std::string& chunk);
  bool HasRoom() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const int fd_;
  const std::string path_;
  // Of the writing thread until it has been joined.
  int64_t offset_;
  int64_t flushed_;
  Sha256 hash_;

  absl::Mutex mutex_;
  std::deque<std::string> chunks_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_BLOB_WRITER_H_
