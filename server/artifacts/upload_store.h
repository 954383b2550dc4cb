// Blobs on their way in: resumable, also after a kill of either side.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_UPLOAD_STORE_H_
#define ACCLIMATE_SERVER_ARTIFACTS_UPLOAD_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/artifacts/blob_store.h"
#include "server/artifacts/blob_writer.h"
#include "server/artifacts/disk_watermark.h"
#include "server/artifacts/local_blob_files.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::artifacts {

inline constexpr int64_t kMaxChunkBytes = 1 << 20;
// An upload reserves so much of the disk at a time.
inline constexpr int64_t kReservedBytes = int64_t{16} << 20;

struct UploadOptions {
  int64_t max_blob_bytes = int64_t{64} << 30;
  // Of a tenant's blobs and open uploads together, beyond which it uploads nothing; 0, or no
  // function: any number.
  std::function<int64_t(const std::string& tenant)> max_stored_bytes = {};
  const DiskWatermark* disk = nullptr;  // outlives the store; null: no limit
  // An upload that nobody has written to for so long is removed.
  absl::Duration expiry = absl::Hours(7 * 24);
};

struct UploadInfo {
  std::string tenant;
  std::string id;
  std::string sha256;
  int64_t size_bytes = 0;
  int64_t committed_bytes = 0;
  bool complete = false;
};

class UploadStore;

// One stream into one upload. For one thread; the upload is free for another stream once the
// writer is gone.
class UploadWriter {
 public:
  ~UploadWriter();

  // INVALID_ARGUMENT: the chunk is too large, its CRC is wrong, or it goes beyond the announced
  // size; OUT_OF_RANGE: it is not at the committed offset; RESOURCE_EXHAUSTED: the disk has no room
  // for it; NOT_FOUND: the upload was aborted. What was appended before stays.
  absl::Status Append(int64_t offset, std::string data, uint32_t crc32c);
  // Makes durable what has arrived. When that is all of it: checks the digest and makes it a blob.
  // INVALID_ARGUMENT when the digest is another: the upload is then discarded.
  absl::StatusOr<UploadInfo> Finish();

 private:
  friend class UploadStore;
  UploadWriter(UploadStore* store, UploadInfo info, FileDescriptor file, Sha256 hash);
  absl::StatusOr<UploadInfo> Complete();
  // Reserves the disk for the upload's bytes up to `end`, and some more.
  absl::Status ReserveTo(int64_t end);
  // The upload's file gets no longer than what has arrived.
  void ReleaseReserve();

  UploadStore* const store_;
  UploadInfo info_;
  int64_t reserved_bytes_;
  FileDescriptor file_;
  BlobWriter writer_;
};

// An upload is two files: <id>.json says what it is to become, <id>.data holds what has arrived;
// its size is the committed offset. A complete one has only the first, and the blob.
//
// 1. A chunk counts as committed once it is in the file: it survives a kill of the process. What
//    Finish() answered survives a power loss too.
// 2. Create() answers RESOURCE_EXHAUSTED when the disk has no room for it, or with
//    STORAGE_QUOTA_EXCEEDED when the tenant would store more than it may. Space is reserved as the
//    bytes come, kReservedBytes at a time; what a stream has reserved and not filled it gives back.
// 3. One stream at a time writes to an upload: ABORTED to a second one.
// 4. Abort() removes an upload also while a stream writes to it, which then ends with NOT_FOUND. Of
//    a complete one it removes what is known of it; the blob stays.
// 5. Thread-safe.
class UploadStore {
 public:
  // `blobs` is on the same file system as `directory`, and outlives the store, as `metrics` does.
  static absl::StatusOr<std::unique_ptr<UploadStore>> Open(const std::string& directory,
                                                           BlobStore* blobs, LocalBlobFiles* files,
                                                           metrics::ServerMetrics* metrics,
                                                           const UploadOptions& options);

  // Goes on with an unfinished upload of the same blob that nobody is writing to, if there is one.
  absl::StatusOr<UploadInfo> Create(const std::string& tenant, const std::string& sha256,
                                    int64_t size_bytes);
  absl::StatusOr<UploadInfo> Get(const std::string& tenant, const std::string& id);
  absl::StatusOr<std::unique_ptr<UploadWriter>> Write(const std::string& tenant,
                                                      const std::string& id);
  absl::Status Abort(const std::string& tenant, const std::string& id);

  // Whether an upload that is to become this blob is not complete.
  bool IsOpen(const std::string& sha256);
  // Removes uploads that have expired, and complete ones whose blob is gone.
  void RemoveSpent();

 private:
  friend class UploadWriter;
  struct Entry {
    UploadInfo info;
    bool busy = false;
    absl::Time last_use;
  };
  using Entries = std::map<std::string, Entry>;

  UploadStore(std::string directory, BlobStore* blobs, LocalBlobFiles* files,
              metrics::ServerMetrics* metrics, UploadOptions options);
  absl::Status Load();
  void LoadOne(const std::string& description_path);
  void ReleaseReserveOf(const std::string& id);
  void RemoveOrphans() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ExpireOld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<HeldBlob> FindWhole(const std::string& sha256);
  absl::StatusOr<UploadInfo> Refresh(UploadInfo info);
  absl::Status CheckRoom(int64_t bytes) const;
  absl::Status CheckQuota(const UploadInfo& upload) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeFile(const UploadInfo& info);
  bool Knows(const std::string& id);
  absl::Status Describe(const UploadInfo& info);
  void Remove(const std::string& id);
  void Discard(const std::string& id);
  void Release(const std::string& id);
  absl::StatusOr<Entries::iterator> Find(const std::string& tenant, const std::string& id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string DataPath(const std::string& id) const;
  std::string DescriptionPath(const std::string& id) const;

  const std::string directory_;
  BlobStore* const blobs_;
  LocalBlobFiles* const files_;
  metrics::ServerMetrics* const metrics_;
  const UploadOptions options_;
  absl::Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_UPLOAD_STORE_H_
