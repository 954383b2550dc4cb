#include "server/artifacts/upload_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/crc32c.h"
#include "server/artifacts/file_system.h"
#include "server/base/earliest_now.h"
#include "server/base/errors.h"
#include "server/base/log.h"
#include "server/base/random_id.h"
#include "server/base/resource_names.h"

namespace acclimate::artifacts {
namespace {

// A call has no time to hash more. Damage of a larger blob shows when somebody reads it.
constexpr int64_t kMaxHashedBytes = int64_t{1} << 30;

absl::Status NoSuchUpload(const std::string& tenant, const std::string& id) {
  return absl::NotFoundError(absl::StrCat("there is no upload ", UploadName(tenant, id)));
}

}  // namespace

UploadWriter::UploadWriter(UploadStore* store, UploadInfo info, FileDescriptor file, Sha256 hash)
    : store_(store),
      info_(std::move(info)),
      reserved_bytes_(info_.committed_bytes),
      file_(std::move(file)),
      writer_(file_.get(), store->DataPath(info_.id), info_.committed_bytes, std::move(hash)) {}

UploadWriter::~UploadWriter() {
  writer_.Finish().IgnoreError();
  if (!info_.complete) ReleaseReserve();
  store_->Release(info_.id);
}

absl::Status UploadWriter::ReserveTo(int64_t end) {
  if (end <= reserved_bytes_) return absl::OkStatus();
  const int64_t wanted =
      std::min(info_.size_bytes, std::max(end, reserved_bytes_ + kReservedBytes));
  const int64_t more = wanted - reserved_bytes_;
  if (absl::Status status = store_->CheckRoom(more); !status.ok()) return status;
  // The size stays: it is the committed offset. A file system without preallocation has only the
  // check above.
  if (fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, reserved_bytes_, more) != 0 &&
      errno != EOPNOTSUPP) {
    return FileError("reserve space for", store_->DataPath(info_.id));
  }
  reserved_bytes_ = wanted;
  return absl::OkStatus();
}

void UploadWriter::ReleaseReserve() {
  const absl::StatusOr<int64_t> size = FileSize(file_.get(), store_->DataPath(info_.id));
  // Also where the size does not change: a file system then frees what lies beyond it.
  if (!size.ok() || ftruncate(file_.get(), *size) != 0) {
    LogWarning("an upload keeps more of the disk than it has bytes", {{"upload", info_.id}});
  }
}

absl::Status UploadWriter::Append(int64_t offset, std::string data, uint32_t crc32c) {
  const int64_t size = static_cast<int64_t>(data.size());
  if (size > kMaxChunkBytes) {
    return BadRequest("data", absl::StrFormat("the chunk at offset %d has %d bytes; at most %d",
                                              offset, size, kMaxChunkBytes));
  }
  if (offset != info_.committed_bytes) {
    return ErrorWithReason(v1::UPLOAD_OFFSET_MISMATCH,
                           absl::StrFormat("the chunk is at offset %d; %d bytes are committed",
                                           offset, info_.committed_bytes),
                           {{"committed_bytes", absl::StrCat(info_.committed_bytes)}});
  }
  if (size > info_.size_bytes - offset) {
    return BadRequest("data", absl::StrFormat("the chunk at offset %d ends at byte %d; %d were "
                                              "announced",
                                              offset, offset + size, info_.size_bytes));
  }
  if (const uint32_t actual = Crc32c(data); actual != crc32c) {
    return BadRequest("crc32c", absl::StrFormat("the chunk at offset %d has the CRC32C %08x, not "
                                                "%08x: it was damaged on its way",
                                                offset, actual, crc32c));
  }
  if (!store_->Knows(info_.id)) return NoSuchUpload(info_.tenant, info_.id);
  if (absl::Status status = ReserveTo(offset + size); !status.ok()) return status;
  if (absl::Status status = writer_.Append(std::move(data)); !status.ok()) return status;
  info_.committed_bytes += size;
  store_->metrics_->AddUploadedBytes(size);
  return absl::OkStatus();
}

absl::StatusOr<UploadInfo> UploadWriter::Finish() {
  if (absl::Status status = writer_.Finish(); !status.ok()) return status;
  if (!store_->Knows(info_.id)) return NoSuchUpload(info_.tenant, info_.id);
  if (info_.committed_bytes == info_.size_bytes) return Complete();
  if (fdatasync(file_.get()) != 0) return FileError("sync", store_->DataPath(info_.id));
  return info_;
}

absl::StatusOr<UploadInfo> UploadWriter::Complete() {
  const std::string actual = writer_.Digest();
  if (actual != info_.sha256) {
    store_->Discard(info_.id);
    return BadRequest(v1::UPLOAD_DIGEST_MISMATCH, "sha256",
                      absl::StrCat("the bytes received have the SHA-256 ", actual, ", not ",
                                   info_.sha256, "; the upload is discarded"));
  }
  const absl::StatusOr<HeldBlob> blob = store_->files_->Adopt(store_->DataPath(info_.id), actual);
  if (absl::IsNotFound(blob.status())) return NoSuchUpload(info_.tenant, info_.id);  // aborted
  if (!blob.ok()) return blob.status();
  info_.complete = true;
  return info_;
}

absl::StatusOr<std::unique_ptr<UploadStore>> UploadStore::Open(const std::string& directory,
                                                               BlobStore* blobs,
                                                               LocalBlobFiles* files,
                                                               metrics::ServerMetrics* metrics,
                                                               const UploadOptions& options) {
  auto store = absl::WrapUnique(new UploadStore(directory, blobs, files, metrics, options));
  if (absl::Status status = store->Load(); !status.ok()) return status;
  return store;
}

UploadStore::UploadStore(std::string directory, BlobStore* blobs, LocalBlobFiles* files,
                         metrics::ServerMetrics* metrics, UploadOptions options)
    : directory_(std::move(directory)),
      blobs_(blobs),
      files_(files),
      metrics_(metrics),
      options_(options) {}

std::string UploadStore::DataPath(const std::string& id) const {
  return absl::StrCat(directory_, "/", id, ".data");
}
std::string UploadStore::DescriptionPath(const std::string& id) const {
  return absl::StrCat(directory_, "/", id, ".json");
}

absl::Status UploadStore::Load() {
  if (absl::Status status = MakeDirectories(directory_); !status.ok()) return status;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(directory_, error)) {
    if (file.path().extension() == ".json") LoadOne(file.path());
  }
  if (error) {
    return absl::UnavailableError(absl::StrCat("cannot list ", directory_, ": ", error.message()));
  }
  absl::MutexLock lock(&mutex_);
  RemoveOrphans();
  ExpireOld();
  return absl::OkStatus();
}

// A kill between an upload's file and its description leaves a file that nobody names.
void UploadStore::RemoveOrphans() {
  std::error_code ignored;
  std::vector<std::filesystem::path> orphans;
  for (const auto& file : std::filesystem::directory_iterator(directory_, ignored)) {
    const bool described = entries_.count(file.path().stem()) > 0 ||
                           std::filesystem::exists(DescriptionPath(file.path().stem()));
    const bool data = file.path().extension() == ".data";
    if (file.path().extension() == ".new" || (data && !described)) orphans.push_back(file.path());
  }
  for (const std::filesystem::path& orphan : orphans) {
    LogWarning("upload left behind before it was described: removed", {{"path", orphan.string()}});
    std::filesystem::remove(orphan, ignored);
  }
}

void UploadStore::LoadOne(const std::string& description_path) {
  std::ifstream file(description_path);
  const nlohmann::json text = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  UploadInfo info;
  info.id = std::filesystem::path(description_path).stem();
  try {
    text.at("tenant").get_to(info.tenant);
    text.at("sha256").get_to(info.sha256);
    text.at("size_bytes").get_to(info.size_bytes);
  } catch (const nlohmann::json::exception& error) {
    LogWarning("upload left out: its description cannot be read",
               {{"path", description_path}, {"error", error.what()}});
    return;
  }
  struct stat status {};
  const bool has_data =
      stat(DataPath(info.id).c_str(), &status) == 0 || stat(description_path.c_str(), &status) == 0;
  ReleaseReserveOf(info.id);
  absl::MutexLock lock(&mutex_);
  entries_[info.id] = {info, false,
                       has_data ? absl::TimeFromTimespec(status.st_mtim) : absl::Now()};
}

// What a stream had reserved when a kill ended it.
void UploadStore::ReleaseReserveOf(const std::string& id) {
  struct stat status {};
  if (stat(DataPath(id).c_str(), &status) == 0 &&
      truncate(DataPath(id).c_str(), status.st_size) != 0) {
    LogWarning("an upload keeps more of the disk than it has bytes", {{"upload", id}});
  }
}

void UploadStore::ExpireOld() {
  const absl::Time horizon = EarliestNow() - options_.expiry;
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (!it->second.busy && it->second.last_use < horizon) {
      Remove(it->first);
      it = entries_.erase(it);
    } else {
      ++it;
    }
  }
}

absl::Status UploadStore::CheckRoom(int64_t bytes) const {
  return options_.disk == nullptr ? absl::OkStatus()
                                  : options_.disk->CheckRoom("the upload", bytes);
}

// What is announced counts as stored: several uploads at once do not pass together.
absl::Status UploadStore::CheckQuota(const UploadInfo& upload) {
  const int64_t limit = options_.max_stored_bytes ? options_.max_stored_bytes(upload.tenant) : 0;
  if (limit <= 0) return absl::OkStatus();
  const absl::StatusOr<int64_t> stored = blobs_->StoredBytes();
  if (!stored.ok()) return stored.status();
  int64_t announced = 0;
  for (const auto& [id, entry] : entries_) {
    if (access(DataPath(id).c_str(), F_OK) == 0) announced += entry.info.size_bytes;
  }
  if (upload.size_bytes <= limit - *stored - announced) return absl::OkStatus();
  metrics_->CountLimitedCall("stored_bytes");
  const std::string whose = absl::StrCat("tenants/", upload.tenant);
  return QuotaExceeded(
      v1::STORAGE_QUOTA_EXCEEDED, whose,
      absl::StrFormat("%s stores %d bytes and has announced %d more in open uploads; with the %d "
                      "bytes of this one it would be more than the %d that it may store "
                      "(max-stored-bytes)",
                      whose, *stored, announced, upload.size_bytes, limit));
}

absl::Status UploadStore::MakeFile(const UploadInfo& info) {
  return OpenFile(DataPath(info.id), O_WRONLY | O_CREAT | O_EXCL).status();
}

bool UploadStore::Knows(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  return entries_.count(id) > 0;
}

absl::Status UploadStore::Describe(const UploadInfo& info) {
  const nlohmann::json text = {
      {"tenant", info.tenant}, {"sha256", info.sha256}, {"size_bytes", info.size_bytes}};
  return WriteFileDurably(DescriptionPath(info.id), text.dump());
}

void UploadStore::Remove(const std::string& id) {
  unlink(DataPath(id).c_str());
  unlink(DescriptionPath(id).c_str());
}

void UploadStore::Discard(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  Remove(id);
  entries_.erase(id);
}

void UploadStore::Release(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  found->second.busy = false;
  found->second.last_use = absl::Now();
}

// A blob that spares its upload, and is needed now.
absl::StatusOr<HeldBlob> UploadStore::FindWhole(const std::string& sha256) {
  absl::StatusOr<BlobHold> hold = blobs_->Hold(sha256);
  if (!hold.ok()) return hold.status();
  const absl::StatusOr<BlobInfo> info = blobs_->Get(sha256);
  if (!info.ok()) return info.status();
  if (info->size_bytes <= kMaxHashedBytes) {
    const absl::Status readable = blobs_->Open(sha256).status();
    if (!readable.ok()) return readable;
  }
  return HeldBlob{*info, *std::move(hold)};
}

absl::StatusOr<UploadInfo> UploadStore::Create(const std::string& tenant, const std::string& sha256,
                                               int64_t size_bytes) {
  if (size_bytes > options_.max_blob_bytes) {
    return QuotaExceeded(v1::BLOB_TOO_LARGE, "max-blob-bytes",
                         absl::StrFormat("size_bytes: %d is more than the server's limit of %d",
                                         size_bytes, options_.max_blob_bytes));
  }
  UploadInfo info{tenant, NewRandomId(), sha256, size_bytes, 0, false};
  const absl::StatusOr<HeldBlob> blob = FindWhole(sha256);
  if (blob.ok()) {
    if (blob->size_bytes != size_bytes) {
      return BadRequest("size_bytes", absl::StrFormat("the blob with this SHA-256 has %d bytes, "
                                                      "not %d",
                                                      blob->size_bytes, size_bytes));
    }
  } else {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, entry] : entries_) {
      if (!entry.busy && entry.info.tenant == tenant && entry.info.sha256 == sha256 &&
          entry.info.size_bytes == size_bytes && access(DataPath(id).c_str(), F_OK) == 0) {
        return Refresh(entry.info);
      }
    }
    if (absl::Status status = CheckQuota(info); !status.ok()) return status;
    if (absl::Status status = CheckRoom(size_bytes); !status.ok()) return status;
    if (absl::Status status = MakeFile(info); !status.ok()) {
      Remove(info.id);
      return status;
    }
    entries_[info.id] = {info, /*busy=*/true, absl::Now()};  // it counts from here on
  }
  if (absl::Status status = Describe(info); !status.ok()) {
    Discard(info.id);
    return status;
  }
  absl::MutexLock lock(&mutex_);
  ExpireOld();
  entries_[info.id] = {info, false, absl::Now()};
  return Refresh(info);
}

absl::StatusOr<UploadInfo> UploadStore::Refresh(UploadInfo info) {
  struct stat status {};
  if (stat(DataPath(info.id).c_str(), &status) == 0) {
    info.committed_bytes = status.st_size;
    return info;
  }
  if (!blobs_->Get(info.sha256).ok()) return NoSuchUpload(info.tenant, info.id);
  info.committed_bytes = info.size_bytes;
  info.complete = true;
  return info;
}

absl::StatusOr<UploadStore::Entries::iterator> UploadStore::Find(const std::string& tenant,
                                                                 const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.info.tenant != tenant) {
    return NoSuchUpload(tenant, id);
  }
  return found;
}

absl::StatusOr<UploadInfo> UploadStore::Get(const std::string& tenant, const std::string& id) {
  UploadInfo info;
  {
    absl::MutexLock lock(&mutex_);
    absl::StatusOr<Entries::iterator> entry = Find(tenant, id);
    if (!entry.ok()) return entry.status();
    info = (*entry)->second.info;
  }
  return Refresh(std::move(info));
}

absl::StatusOr<std::unique_ptr<UploadWriter>> UploadStore::Write(const std::string& tenant,
                                                                 const std::string& id) {
  UploadInfo info;
  {
    absl::MutexLock lock(&mutex_);
    absl::StatusOr<Entries::iterator> entry = Find(tenant, id);
    if (!entry.ok()) return entry.status();
    if ((*entry)->second.busy) {
      return absl::AbortedError(
          absl::StrCat(UploadName(tenant, id), " is being written by another stream"));
    }
    absl::StatusOr<UploadInfo> refreshed = Refresh((*entry)->second.info);
    if (!refreshed.ok()) return refreshed.status();
    if (refreshed->complete) {
      return PreconditionFailed(v1::UPLOAD_COMPLETE, UploadName(tenant, id),
                                absl::StrCat(UploadName(tenant, id), " is complete already"));
    }
    info = *std::move(refreshed);
    (*entry)->second.busy = true;
  }
  absl::StatusOr<FileDescriptor> file = OpenFile(DataPath(id), O_RDWR);
  Sha256 hash;
  absl::Status status =
      file.ok() ? HashFile(file->get(), info.committed_bytes, hash) : file.status();
  if (!status.ok()) {
    Release(id);
    return status;
  }
  return absl::WrapUnique(new UploadWriter(this, info, *std::move(file), std::move(hash)));
}

bool UploadStore::IsOpen(const std::string& sha256) {
  absl::MutexLock lock(&mutex_);
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
    return entry.second.info.sha256 == sha256 && access(DataPath(entry.first).c_str(), F_OK) == 0;
  });
}

void UploadStore::RemoveSpent() {
  absl::MutexLock lock(&mutex_);
  ExpireOld();
  for (auto it = entries_.begin(); it != entries_.end();) {
    const bool spent = !it->second.busy && absl::IsNotFound(Refresh(it->second.info).status());
    if (spent) Remove(it->first);
    it = spent ? entries_.erase(it) : std::next(it);
  }
}

absl::Status UploadStore::Abort(const std::string& tenant, const std::string& id) {
  absl::MutexLock lock(&mutex_);
  absl::StatusOr<Entries::iterator> entry = Find(tenant, id);
  if (!entry.ok()) return entry.status();
  entries_.erase(*entry);
  Remove(id);
  return absl::OkStatus();
}

}  // namespace acclimate::artifacts
