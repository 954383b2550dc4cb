// Immutable blobs named by their SHA-256.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_BLOB_STORE_H_
#define ACCLIMATE_SERVER_ARTIFACTS_BLOB_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace acclimate::artifacts {

struct BlobInfo {
  std::string sha256;  // 64 lower-case hex digits
  int64_t size_bytes = 0;
  absl::Time create_time;
  absl::Time last_needed;  // no earlier than the last Hold()
  bool pinned = false;
};

// Keeps a blob from being removed while it, or a copy of it, lives. May outlive the store.
using BlobHold = std::shared_ptr<const void>;

struct HeldBlob : BlobInfo {
  BlobHold hold;
};

// The bytes of one blob, which stay readable when it is removed. For one thread at a time.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  // Exactly `size` bytes at the offset. DATA_LOSS: it has not so many any more.
  virtual absl::Status ReadAt(int64_t offset, size_t size, std::string& data) = 0;
};

// A blob that is being written; nothing is left of it when it goes without Commit(). For one thread
// at a time.
class NewBlob {
 public:
  virtual ~NewBlob() = default;
  virtual absl::Status Append(absl::string_view bytes) = 0;
  // Once, at the end. Where there is such a blob already, that one stays or is healed.
  virtual absl::StatusOr<HeldBlob> Commit() = 0;
};

// Names no path and no descriptor, so that it may be an object store (LocalBlobFiles has those).
// tests/server/artifacts/blob_store_conformance.h holds every implementation to this:
// 1. A blob appears at once, never in part, and is durable before a call returns OK.
// 2. It stays until Remove() succeeds. Whoever will name it in a durable place holds it from before
//    it has seen that the blob is there, until the name is durable; or relies on a grace time.
// 3. Bytes that do not hash to the name are never read: the blob is quarantined, and is no longer
//    there. Whatever asks for it gets DATA_LOSS, with the reason BLOB_DAMAGED, until its right
//    bytes come again.
// 4. Thread-safe. NOT_FOUND names the digest; RESOURCE_EXHAUSTED when the disk is full.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  // Of all blobs together.
  virtual absl::StatusOr<int64_t> StoredBytes() = 0;
  virtual absl::StatusOr<BlobInfo> Get(const std::string& sha256) = 0;
  // Keeps the blob, and notes that it is needed now.
  virtual absl::StatusOr<BlobHold> Hold(const std::string& sha256) = 0;
  // Hashes the blob first, unless that was done since it last changed.
  virtual absl::StatusOr<std::unique_ptr<BlobReader>> Open(const std::string& sha256) = 0;
  virtual absl::StatusOr<std::unique_ptr<NewBlob>> Create() = 0;

  // A pinned blob is kept although nothing else needs it. Durable.
  virtual absl::Status SetPinned(const std::string& sha256, bool pinned) = 0;

  // At most `limit` blobs with a digest after `after`, in the order of digests.
  virtual absl::StatusOr<std::vector<BlobInfo>> List(const std::string& after, int limit) = 0;
  // All that were quarantined and not healed; `last_needed` is no earlier than that.
  virtual absl::StatusOr<std::vector<BlobInfo>> ListQuarantined() = 0;
  // Removes a blob, quarantined or not, unless it is held or pinned, or `is_needed`, asked when
  // nobody holds it, says so or fails, or somebody holds it meanwhile. False: it stays.
  using NeedQuery = std::function<absl::StatusOr<bool>()>;
  virtual absl::StatusOr<bool> Remove(const std::string& sha256, const NeedQuery& is_needed) = 0;
  // Hashes the blob, whatever was done before. `pause` is called after each MiB; false ends it with
  // CANCELLED.
  virtual absl::Status Verify(const std::string& sha256, const std::function<bool()>& pause) = 0;
};

class LocalBlobFiles;

// One store for every tenant. What they return is never null, and lives as long as this.
class BlobStores {
 public:
  virtual ~BlobStores() = default;
  virtual absl::StatusOr<BlobStore*> BlobsOf(const std::string& tenant) = 0;
  virtual absl::StatusOr<LocalBlobFiles*> FilesOf(const std::string& tenant) = 0;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_BLOB_STORE_H_
