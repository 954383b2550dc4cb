#include "server/artifacts/local_blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/artifacts/file_system.h"
#include "server/artifacts/sha256.h"
#include "server/base/errors.h"
#include "server/base/log.h"
#include "server/base/resource_names.h"

namespace acclimate::artifacts {
namespace {

constexpr int kShards = 256;

absl::Status NoSuchBlob(const std::string& sha256) {
  return absl::NotFoundError(absl::StrCat("there is no blob with the SHA-256 ", sha256));
}

absl::Status Damaged(const std::string& sha256) {
  return ErrorWithReason(v1::BLOB_DAMAGED,
                         absl::StrCat("the blob with the SHA-256 ", sha256,
                                      " is damaged on the server; upload it again"),
                         {{"sha256", sha256}});
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// Sorted; those that are no digests are left out.
absl::StatusOr<std::vector<std::string>> DigestsIn(const std::string& directory) {
  std::vector<std::string> digests;
  std::error_code error;
  for (std::filesystem::directory_iterator file(directory, error), end; !error && file != end;
       file.increment(error)) {
    std::string name = file->path().filename();
    if (IsSha256(name)) digests.push_back(std::move(name));
  }
  if (error == std::errc::no_such_file_or_directory) return std::vector<std::string>();
  if (error) {
    return absl::UnavailableError(absl::StrCat("cannot list ", directory, ": ", error.message()));
  }
  std::sort(digests.begin(), digests.end());
  return digests;
}

class FileReader : public BlobReader {
 public:
  explicit FileReader(FileDescriptor file) : file_(std::move(file)) {}
  absl::Status ReadAt(int64_t offset, size_t size, std::string& data) override {
    return artifacts::ReadAt(file_.get(), offset, size, data);
  }

 private:
  const FileDescriptor file_;
};

class NewFile : public NewBlob {
 public:
  NewFile(LocalBlobStore& store, std::string path, FileDescriptor file)
      : store_(store), path_(std::move(path)), file_(std::move(file)) {}
  ~NewFile() override {
    if (!committed_) unlink(path_.c_str());
  }

  absl::Status Append(absl::string_view bytes) override {
    absl::Status status = WriteAt(file_.get(), bytes, size_bytes_, path_);
    if (!status.ok()) return status;
    hash_.Update(bytes);
    size_bytes_ += static_cast<int64_t>(bytes.size());
    return status;
  }
  absl::StatusOr<HeldBlob> Commit() override {
    absl::StatusOr<HeldBlob> blob = store_.Adopt(path_, hash_.Finish());
    committed_ = blob.ok();
    return blob;
  }

 private:
  LocalBlobStore& store_;
  const std::string path_;
  const FileDescriptor file_;
  Sha256 hash_;
  int64_t size_bytes_ = 0;
  bool committed_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LocalBlobStore>> LocalBlobStore::Open(
    const std::string& directory, metrics::ServerMetrics* metrics) {
  auto store = absl::WrapUnique(new LocalBlobStore(directory, metrics));
  if (absl::Status status = store->Prepare(); !status.ok()) return status;
  return store;
}

LocalBlobStore::LocalBlobStore(std::string directory, metrics::ServerMetrics* metrics)
    : directory_(std::move(directory)), metrics_(metrics) {}

absl::Status LocalBlobStore::Prepare() {
  // All shards at once: a blob then needs one directory sync, that of its shard.
  for (int shard = 0; shard < kShards; ++shard) {
    const std::string path = absl::StrFormat("%s/blobs/%02x", directory_, shard);
    if (absl::Status status = MakeDirectories(path); !status.ok()) return status;
  }
  for (const char* name : {"/quarantine", "/pins"}) {
    if (absl::Status status = MakeDirectories(directory_ + name); !status.ok()) return status;
  }
  std::error_code ignored;
  std::filesystem::remove_all(StagingDirectory(), ignored);
  if (absl::Status status = MakeDirectories(StagingDirectory()); !status.ok()) return status;
  if (absl::Status status = SyncDirectory(directory_ + "/blobs"); !status.ok()) return status;
  return SyncDirectory(directory_);
}

std::string LocalBlobStore::ShardOf(const std::string& sha256) const {
  return absl::StrCat(directory_, "/blobs/", sha256.substr(0, 2));
}

std::string LocalBlobStore::PathOf(const std::string& sha256) const {
  return absl::StrCat(ShardOf(sha256), "/", sha256);
}

std::string LocalBlobStore::QuarantinePathOf(const std::string& sha256) const {
  return absl::StrCat(directory_, "/quarantine/", sha256);
}

std::string LocalBlobStore::PinPathOf(const std::string& sha256) const {
  return absl::StrCat(directory_, "/pins/", sha256);
}

std::string LocalBlobStore::StagingDirectory() const { return directory_ + "/staging"; }

absl::Status LocalBlobStore::Absent(const std::string& sha256) const {
  return Exists(QuarantinePathOf(sha256)) ? Damaged(sha256) : NoSuchBlob(sha256);
}

absl::StatusOr<int64_t> LocalBlobStore::StoredBytes() {
  // No blob comes or goes meanwhile.
  absl::MutexLock lock(&keeping_->mutex);
  if (!keeping_->stored_bytes.has_value()) {
    const absl::StatusOr<std::vector<BlobInfo>> blobs = List("", INT_MAX);
    if (!blobs.ok()) return blobs.status();
    int64_t bytes = 0;
    for (const BlobInfo& blob : *blobs) bytes += blob.size_bytes;
    keeping_->stored_bytes = bytes;
  }
  return *keeping_->stored_bytes;
}

absl::StatusOr<BlobInfo> LocalBlobStore::Get(const std::string& sha256) {
  struct stat info {};
  if (!IsSha256(sha256)) return NoSuchBlob(sha256);
  if (stat(PathOf(sha256).c_str(), &info) != 0) {
    if (errno == ENOENT) return Absent(sha256);
    return FileError("stat", PathOf(sha256));
  }
  return BlobInfo{
      sha256, info.st_size, absl::TimeFromTimespec(info.st_mtim),
      std::max(absl::TimeFromTimespec(info.st_atim), absl::TimeFromTimespec(info.st_mtim)),
      Exists(PinPathOf(sha256))};
}

BlobHold LocalBlobStore::Keep(const std::string& sha256) {
  {
    absl::MutexLock lock(&keeping_->mutex);
    ++keeping_->holds[sha256];
    keeping_->condemned.erase(sha256);
  }
  return BlobHold(nullptr, [keeping = keeping_, sha256](const void*) {
    absl::MutexLock lock(&keeping->mutex);
    const auto found = keeping->holds.find(sha256);
    if (--found->second == 0) keeping->holds.erase(found);
  });
}

absl::Status LocalBlobStore::NoteNeeded(const std::string& sha256) {
  const timespec times[] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  if (utimensat(AT_FDCWD, PathOf(sha256).c_str(), times, 0) == 0) return absl::OkStatus();
  if (errno == ENOENT) return Absent(sha256);
  return FileError("set the access time of", PathOf(sha256));
}

absl::StatusOr<BlobHold> LocalBlobStore::Hold(const std::string& sha256) {
  if (!IsSha256(sha256)) return NoSuchBlob(sha256);
  BlobHold hold = Keep(sha256);
  // Held first: a blob that is there now stays.
  if (absl::Status status = NoteNeeded(sha256); !status.ok()) return status;
  return hold;
}

absl::StatusOr<LocalBlobStore::OpenBlob> LocalBlobStore::OpenBlobFile(const std::string& sha256,
                                                                      int flags) {
  if (!IsSha256(sha256)) return NoSuchBlob(sha256);
  absl::StatusOr<FileDescriptor> file = artifacts::OpenFile(PathOf(sha256), flags);
  if (absl::IsNotFound(file.status())) return Absent(sha256);
  if (!file.ok()) return file.status();
  OpenBlob blob{*std::move(file), {}};
  if (fstat(blob.file.get(), &blob.status) != 0) return FileError("stat", PathOf(sha256));
  return blob;
}

absl::StatusOr<FileDescriptor> LocalBlobStore::OpenFile(const std::string& sha256) {
  absl::StatusOr<OpenBlob> blob = OpenBlobFile(sha256, O_RDONLY);
  if (!blob.ok()) return blob.status();
  if (!verified_.Contains(sha256, blob->status)) {
    absl::Status status = CheckBytes(sha256, *blob, nullptr);
    if (!status.ok()) return status;
  }
  return std::move(blob->file);
}

absl::StatusOr<std::unique_ptr<BlobReader>> LocalBlobStore::Open(const std::string& sha256) {
  absl::StatusOr<FileDescriptor> file = OpenFile(sha256);
  if (!file.ok()) return file.status();
  posix_fadvise(file->get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return std::make_unique<FileReader>(*std::move(file));
}

absl::StatusOr<std::unique_ptr<NewBlob>> LocalBlobStore::Create() {
  std::string path = StagingDirectory() + "/new-XXXXXX";
  FileDescriptor file(mkostemp(path.data(), O_CLOEXEC));
  if (!file.valid()) return FileError("make", path);
  return std::make_unique<NewFile>(*this, std::move(path), std::move(file));
}

absl::Status LocalBlobStore::Verify(const std::string& sha256, const std::function<bool()>& pause) {
  absl::StatusOr<OpenBlob> blob = OpenBlobFile(sha256, O_RDONLY | O_NOATIME);
  if (!blob.ok()) return blob.status();
  // From the disk, and without leaving in memory what nobody else reads.
  posix_fadvise(blob->file.get(), 0, 0, POSIX_FADV_DONTNEED);
  absl::Status status = CheckBytes(sha256, *blob, pause);
  posix_fadvise(blob->file.get(), 0, 0, POSIX_FADV_DONTNEED);
  return status;
}

absl::Status LocalBlobStore::CheckBytes(const std::string& sha256, const OpenBlob& blob,
                                        const std::function<bool()>& pause) {
  Sha256 hash;
  absl::Status status = HashFile(blob.file.get(), blob.status.st_size, hash, pause);
  if (!status.ok() && !absl::IsDataLoss(status)) return status;
  const std::string actual = status.ok() ? hash.Finish() : std::string(status.message());
  if (actual == sha256) {
    verified_.Add(sha256, blob.status);
    return absl::OkStatus();
  }
  Quarantine(sha256, blob.status, actual);
  return Damaged(sha256);
}

void LocalBlobStore::Quarantine(const std::string& sha256, const struct stat& file,
                                const std::string& actual) {
  verified_.Remove(sha256);
  {
    absl::MutexLock lock(&keeping_->mutex);
    struct stat now {};
    // Another reader has been here before, or the right bytes have.
    if (stat(PathOf(sha256).c_str(), &now) != 0 || now.st_ino != file.st_ino) return;
    if (rename(PathOf(sha256).c_str(), QuarantinePathOf(sha256).c_str()) != 0) {
      LogError("a damaged blob cannot be quarantined",
               {{"sha256", sha256}, {"error", FileError("rename", PathOf(sha256))}});
      return;
    }
    keeping_->AddStored(-now.st_size);
  }
  metrics_->CountBlobCorruption();
  LogError("a blob is damaged: quarantined", {{"sha256", sha256},
                                              {"bytes_hash_to", actual},
                                              {"size_bytes", int64_t{file.st_size}},
                                              {"path", QuarantinePathOf(sha256)}});
}

absl::Status LocalBlobStore::Sync(const std::string& path) {
  absl::StatusOr<FileDescriptor> file = artifacts::OpenFile(path, O_RDONLY);
  if (!file.ok()) return file.status();
  const absl::Time start = absl::Now();
  if (fdatasync(file->get()) != 0) return FileError("sync", path);
  metrics_->ObserveFsync("blobs", absl::Now() - start);
  return absl::OkStatus();
}

absl::StatusOr<HeldBlob> LocalBlobStore::Adopt(const std::string& path, const std::string& sha256) {
  if (!IsSha256(sha256)) {
    return absl::InvalidArgumentError(absl::StrCat("not a SHA-256: \"", sha256, "\""));
  }
  BlobHold hold = Keep(sha256);
  struct stat existing {};
  if (stat(PathOf(sha256).c_str(), &existing) == 0 && verified_.Contains(sha256, existing)) {
    // Whoever put it there may not have synced the directory yet.
    if (absl::Status status = SyncDirectory(ShardOf(sha256)); !status.ok()) return status;
    unlink(path.c_str());
  } else {
    if (absl::Status status = Sync(path); !status.ok()) return status;
    chmod(path.c_str(), 0440);
    struct stat adopted {};
    {
      absl::MutexLock lock(&keeping_->mutex);
      // In the place of what nobody has verified, too: these bytes are right.
      struct stat replaced {};
      if (stat(PathOf(sha256).c_str(), &replaced) != 0) replaced.st_size = 0;
      if (rename(path.c_str(), PathOf(sha256).c_str()) != 0) return FileError("rename", path);
      if (stat(PathOf(sha256).c_str(), &adopted) != 0) return FileError("stat", PathOf(sha256));
      keeping_->AddStored(adopted.st_size - replaced.st_size);
    }
    verified_.Add(sha256, adopted);
    if (absl::Status status = SyncDirectory(ShardOf(sha256)); !status.ok()) return status;
    if (unlink(QuarantinePathOf(sha256).c_str()) == 0) {
      LogInfo("a damaged blob is healed", {{"sha256", sha256}});
    }
  }
  if (absl::Status status = NoteNeeded(sha256); !status.ok()) return status;
  const absl::StatusOr<BlobInfo> info = Get(sha256);
  if (!info.ok()) return info.status();
  return HeldBlob{*info, std::move(hold)};
}

absl::StatusOr<HeldBlob> LocalBlobStore::Import(const std::string& path) {
  absl::StatusOr<FileDescriptor> file = artifacts::OpenFile(path, O_RDONLY);
  if (!file.ok()) return file.status();
  absl::StatusOr<int64_t> size = FileSize(file->get(), path);
  if (!size.ok()) return size.status();
  Sha256 hash;
  if (absl::Status status = HashFile(file->get(), *size, hash); !status.ok()) return status;
  return Adopt(path, hash.Finish());
}

absl::Status LocalBlobStore::SetPinned(const std::string& sha256, bool pinned) {
  absl::StatusOr<BlobHold> hold = Hold(sha256);
  if (!hold.ok()) return hold.status();
  const std::string path = PinPathOf(sha256);
  if (pinned) {
    const absl::Status status = artifacts::OpenFile(path, O_WRONLY | O_CREAT).status();
    if (!status.ok()) return status;
  } else if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return FileError("remove", path);
  }
  return SyncDirectory(directory_ + "/pins");
}

absl::StatusOr<std::vector<BlobInfo>> LocalBlobStore::List(const std::string& after, int limit) {
  std::vector<BlobInfo> blobs;
  int shard = 0;
  if (!after.empty() && !absl::SimpleHexAtoi(after.substr(0, 2), &shard)) {
    return absl::InvalidArgumentError(absl::StrCat("not a SHA-256: \"", after, "\""));
  }
  for (; shard < kShards; ++shard) {
    const auto digests = DigestsIn(absl::StrFormat("%s/blobs/%02x", directory_, shard));
    if (!digests.ok()) return digests.status();
    for (auto it = std::upper_bound(digests->begin(), digests->end(), after); it != digests->end();
         ++it) {
      if (static_cast<int>(blobs.size()) == limit) return blobs;
      absl::StatusOr<BlobInfo> info = Get(*it);
      if (info.ok()) blobs.push_back(*std::move(info));  // else it has gone meanwhile
    }
  }
  return blobs;
}

absl::StatusOr<std::vector<BlobInfo>> LocalBlobStore::ListQuarantined() {
  const auto digests = DigestsIn(directory_ + "/quarantine");
  if (!digests.ok()) return digests.status();
  std::vector<BlobInfo> blobs;
  for (const std::string& sha256 : *digests) {
    struct stat info {};
    if (stat(QuarantinePathOf(sha256).c_str(), &info) != 0) continue;  // it has gone meanwhile
    blobs.push_back({sha256, info.st_size, absl::TimeFromTimespec(info.st_mtim),
                     absl::TimeFromTimespec(info.st_ctim), Exists(PinPathOf(sha256))});
  }
  return blobs;
}

absl::StatusOr<bool> LocalBlobStore::Remove(const std::string& sha256, const NeedQuery& is_needed) {
  if (!IsSha256(sha256)) return NoSuchBlob(sha256);
  {
    absl::MutexLock lock(&keeping_->mutex);
    if (keeping_->holds.count(sha256) > 0) return false;
    keeping_->condemned.insert(sha256);
  }
  const absl::StatusOr<bool> needed =
      Exists(PinPathOf(sha256)) ? absl::StatusOr<bool>(true) : is_needed();
  const std::string removed = absl::StrCat(StagingDirectory(), "/removed-", sha256);
  {
    absl::MutexLock lock(&keeping_->mutex);
    const bool untouched = keeping_->condemned.erase(sha256) > 0;
    if (!needed.ok()) return needed.status();
    if (*needed || !untouched) return false;
    struct stat gone {};
    if (stat(PathOf(sha256).c_str(), &gone) != 0) gone.st_size = 0;
    // Out of the way at once; to free a large file takes longer.
    if (rename(PathOf(sha256).c_str(), removed.c_str()) != 0 && errno != ENOENT) {
      return FileError("remove", PathOf(sha256));
    }
    keeping_->AddStored(-gone.st_size);
    unlink(QuarantinePathOf(sha256).c_str());
  }
  verified_.Remove(sha256);
  unlink(removed.c_str());
  return true;
}

}  // namespace acclimate::artifacts
