#include "tests/server/artifacts/memory_blob_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/artifacts/sha256.h"
#include "server/base/errors.h"

namespace acclimate::artifacts {
namespace {

class MemoryReader : public BlobReader {
 public:
  explicit MemoryReader(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}
  absl::Status ReadAt(int64_t offset, size_t size, std::string& data) override {
    if (static_cast<size_t>(offset) + size > bytes_->size()) {
      return absl::DataLossError("the blob ends before");
    }
    data = bytes_->substr(static_cast<size_t>(offset), size);
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<const std::string> bytes_;
};

}  // namespace

class BlobInMemory : public NewBlob {
 public:
  explicit BlobInMemory(MemoryBlobStore& store) : store_(store) {}
  absl::Status Append(absl::string_view bytes) override {
    absl::StrAppend(&bytes_, bytes);
    return absl::OkStatus();
  }
  absl::StatusOr<HeldBlob> Commit() override { return store_.Add(std::move(bytes_)); }

 private:
  MemoryBlobStore& store_;
  std::string bytes_;
};

BlobHold MemoryBlobStore::Keep(Blob& blob) {
  std::shared_ptr<const int> hold = blob.holds.lock();
  if (hold == nullptr) blob.holds = hold = std::make_shared<const int>(0);
  return hold;
}

absl::StatusOr<MemoryBlobStore::Blob*> MemoryBlobStore::Find(const std::string& sha256,
                                                             bool verify) {
  const auto found = blobs_.find(sha256);
  if (found == blobs_.end()) return absl::NotFoundError(absl::StrCat("no blob ", sha256));
  Blob& blob = found->second;
  if (verify && Sha256Of(*blob.bytes) != sha256) blob.quarantined = true;
  if (!blob.quarantined) return &blob;
  return ErrorWithReason(v1::BLOB_DAMAGED, absl::StrCat(sha256, " is damaged"),
                         {{"sha256", sha256}});
}

absl::StatusOr<HeldBlob> MemoryBlobStore::Add(std::string bytes) {
  const std::string sha256 = Sha256Of(bytes);
  absl::MutexLock lock(&mutex_);
  Blob& blob = blobs_[sha256];
  if (blob.info.sha256.empty()) {
    blob.info.create_time = absl::Now();
  }
  blob.info.sha256 = sha256;
  blob.info.size_bytes = static_cast<int64_t>(bytes.size());
  blob.info.last_needed = absl::Now();
  blob.bytes = std::make_shared<const std::string>(std::move(bytes));
  blob.quarantined = false;
  return HeldBlob{blob.info, Keep(blob)};
}

absl::StatusOr<BlobInfo> MemoryBlobStore::Get(const std::string& sha256) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Blob*> blob = Find(sha256, /*verify=*/false);
  if (!blob.ok()) return blob.status();
  return (*blob)->info;
}

absl::StatusOr<BlobHold> MemoryBlobStore::Hold(const std::string& sha256) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Blob*> blob = Find(sha256, /*verify=*/false);
  if (!blob.ok()) return blob.status();
  (*blob)->info.last_needed = absl::Now();
  return Keep(**blob);
}

absl::StatusOr<std::unique_ptr<BlobReader>> MemoryBlobStore::Open(const std::string& sha256) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Blob*> blob = Find(sha256, /*verify=*/true);
  if (!blob.ok()) return blob.status();
  return std::make_unique<MemoryReader>((*blob)->bytes);
}

absl::StatusOr<std::unique_ptr<NewBlob>> MemoryBlobStore::Create() {
  return std::make_unique<BlobInMemory>(*this);
}

absl::StatusOr<int64_t> MemoryBlobStore::StoredBytes() {
  absl::MutexLock lock(&mutex_);
  int64_t bytes = 0;
  for (const auto& [sha256, blob] : blobs_) bytes += blob.info.size_bytes;
  return bytes;
}

absl::Status MemoryBlobStore::SetPinned(const std::string& sha256, bool pinned) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Blob*> blob = Find(sha256, /*verify=*/false);
  if (blob.ok()) (*blob)->info.pinned = pinned;
  return blob.status();
}

absl::StatusOr<std::vector<BlobInfo>> MemoryBlobStore::List(const std::string& after, int limit) {
  absl::MutexLock lock(&mutex_);
  std::vector<BlobInfo> infos;
  for (auto it = blobs_.upper_bound(after);
       it != blobs_.end() && static_cast<int>(infos.size()) < limit; ++it) {
    if (!it->second.quarantined) infos.push_back(it->second.info);
  }
  return infos;
}

absl::StatusOr<std::vector<BlobInfo>> MemoryBlobStore::ListQuarantined() {
  absl::MutexLock lock(&mutex_);
  std::vector<BlobInfo> infos;
  for (const auto& [sha256, blob] : blobs_) {
    if (blob.quarantined) infos.push_back(blob.info);
  }
  return infos;
}

absl::StatusOr<bool> MemoryBlobStore::Remove(const std::string& sha256,
                                             const NeedQuery& is_needed) {
  absl::MutexLock lock(&mutex_);
  const auto found = blobs_.find(sha256);
  if (found == blobs_.end()) return absl::NotFoundError(absl::StrCat("no blob ", sha256));
  if (found->second.info.pinned || found->second.holds.lock() != nullptr) return false;
  const absl::StatusOr<bool> needed = is_needed();
  if (!needed.ok()) return needed.status();
  if (!*needed) blobs_.erase(found);
  return !*needed;
}

absl::Status MemoryBlobStore::Verify(const std::string& sha256,
                                     const std::function<bool()>& pause) {
  if (pause != nullptr && !pause()) return absl::CancelledError("told to stop");
  absl::MutexLock lock(&mutex_);
  return Find(sha256, /*verify=*/true).status();
}

void MemoryBlobStore::Damage(const std::string& sha256) {
  absl::MutexLock lock(&mutex_);
  std::string bytes = *blobs_.at(sha256).bytes;
  bytes[0] = static_cast<char>(bytes[0] ^ 1);
  blobs_.at(sha256).bytes = std::make_shared<const std::string>(std::move(bytes));
}

}  // namespace acclimate::artifacts
