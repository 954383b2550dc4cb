// Blobs in memory: a second implementation, so that the conformance tests are not those of one.
#ifndef ACCLIMATE_TESTS_SERVER_ARTIFACTS_MEMORY_BLOB_STORE_H_
#define ACCLIMATE_TESTS_SERVER_ARTIFACTS_MEMORY_BLOB_STORE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/artifacts/blob_store.h"

namespace acclimate::artifacts {

// Outlives what it gives out.
class MemoryBlobStore : public BlobStore {
 public:
  absl::StatusOr<BlobInfo> Get(const std::string& sha256) override;
  absl::StatusOr<BlobHold> Hold(const std::string& sha256) override;
  absl::StatusOr<std::unique_ptr<BlobReader>> Open(const std::string& sha256) override;
  absl::StatusOr<std::unique_ptr<NewBlob>> Create() override;
  absl::StatusOr<int64_t> StoredBytes() override;
  absl::Status SetPinned(const std::string& sha256, bool pinned) override;
  absl::StatusOr<std::vector<BlobInfo>> List(const std::string& after, int limit) override;
  absl::StatusOr<std::vector<BlobInfo>> ListQuarantined() override;
  absl::StatusOr<bool> Remove(const std::string& sha256, const NeedQuery& is_needed) override;
  absl::Status Verify(const std::string& sha256, const std::function<bool()>& pause) override;

  void Damage(const std::string& sha256);

 private:
  friend class BlobInMemory;
  struct Blob {
    BlobInfo info;
    std::shared_ptr<const std::string> bytes;
    bool quarantined = false;
    std::weak_ptr<const int> holds;
  };

  absl::StatusOr<HeldBlob> Add(std::string bytes);
  // That is there and not known to be damaged; one that is damaged is quarantined.
  absl::StatusOr<Blob*> Find(const std::string& sha256, bool verify)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static BlobHold Keep(Blob& blob);

  absl::Mutex mutex_;
  std::map<std::string, Blob> blobs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_TESTS_SERVER_ARTIFACTS_MEMORY_BLOB_STORE_H_
