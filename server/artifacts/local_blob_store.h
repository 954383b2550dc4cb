// Blobs as files of a local directory: blobs/<first two digits>/<sha256>, staging/, and beside them
// quarantine/<sha256> for what was found damaged, and pins/<sha256>, empty, for what is pinned. The
// access time of a blob's file says when it was last needed.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_LOCAL_BLOB_STORE_H_
#define ACCLIMATE_SERVER_ARTIFACTS_LOCAL_BLOB_STORE_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/artifacts/blob_store.h"
#include "server/artifacts/local_blob_files.h"
#include "server/artifacts/verified_files.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::artifacts {

class LocalBlobStore : public BlobStore, public LocalBlobFiles {
 public:
  // Makes the directories, and empties what an earlier process left in staging. `metrics` outlives
  // the store.
  static absl::StatusOr<std::unique_ptr<LocalBlobStore>> Open(const std::string& directory,
                                                              metrics::ServerMetrics* metrics);

  absl::StatusOr<int64_t> StoredBytes() override;
  absl::StatusOr<BlobInfo> Get(const std::string& sha256) override;
  absl::StatusOr<BlobHold> Hold(const std::string& sha256) override;
  absl::StatusOr<std::unique_ptr<BlobReader>> Open(const std::string& sha256) override;
  absl::StatusOr<std::unique_ptr<NewBlob>> Create() override;
  absl::Status SetPinned(const std::string& sha256, bool pinned) override;
  absl::StatusOr<std::vector<BlobInfo>> List(const std::string& after, int limit) override;
  absl::StatusOr<std::vector<BlobInfo>> ListQuarantined() override;
  absl::StatusOr<bool> Remove(const std::string& sha256, const NeedQuery& is_needed) override;
  absl::Status Verify(const std::string& sha256, const std::function<bool()>& pause) override;

  absl::StatusOr<FileDescriptor> OpenFile(const std::string& sha256) override;
  absl::StatusOr<HeldBlob> Adopt(const std::string& path, const std::string& sha256) override;
  absl::StatusOr<HeldBlob> Import(const std::string& path) override;
  // On the file system of the blobs; emptied when the store is opened.
  std::string StagingDirectory() const;

 private:
  // Shared with the holds, which may outlive the store.
  struct Keeping {
    absl::Mutex mutex;  // also held for every change of a name in blobs/ and quarantine/
    std::map<std::string, int> holds ABSL_GUARDED_BY(mutex);
    std::set<std::string> condemned ABSL_GUARDED_BY(mutex);      // nobody has held it since
    std::optional<int64_t> stored_bytes ABSL_GUARDED_BY(mutex);  // once somebody has asked
    void AddStored(int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
      if (stored_bytes.has_value()) *stored_bytes += bytes;
    }
  };

  LocalBlobStore(std::string directory, metrics::ServerMetrics* metrics);
  absl::Status Prepare();
  std::string ShardOf(const std::string& sha256) const;
  std::string PathOf(const std::string& sha256) const;
  std::string QuarantinePathOf(const std::string& sha256) const;
  std::string PinPathOf(const std::string& sha256) const;
  // DATA_LOSS where it was quarantined, else NOT_FOUND.
  absl::Status Absent(const std::string& sha256) const;
  BlobHold Keep(const std::string& sha256);
  absl::Status NoteNeeded(const std::string& sha256);
  absl::Status Sync(const std::string& path);
  // The blob's file, open, and what it is.
  struct OpenBlob {
    FileDescriptor file;
    struct stat status {};
  };
  absl::StatusOr<OpenBlob> OpenBlobFile(const std::string& sha256, int flags);
  absl::Status CheckBytes(const std::string& sha256, const OpenBlob& blob,
                          const std::function<bool()>& pause);
  void Quarantine(const std::string& sha256, const struct stat& file, const std::string& actual);

  const std::string directory_;
  metrics::ServerMetrics* const metrics_;
  const std::shared_ptr<Keeping> keeping_ = std::make_shared<Keeping>();
  VerifiedFiles verified_;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_LOCAL_BLOB_STORE_H_
