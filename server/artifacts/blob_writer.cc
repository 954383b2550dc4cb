#include "server/artifacts/blob_writer.h"

#include <fcntl.h>

#include <utility>

#include "server/artifacts/file_system.h"

namespace acclimate::artifacts {
namespace {

constexpr size_t kMaxChunksUnderWay = 3;
// The kernel is told to begin writing this often: the sync at the end then finds little left to do.
constexpr int64_t kFlushBytes = int64_t{8} << 20;

}  // namespace

BlobWriter::BlobWriter(int fd, std::string path, int64_t offset, Sha256 hash)
    : fd_(fd),
      path_(std::move(path)),
      offset_(offset),
      flushed_(offset),
      hash_(std::move(hash)),
      thread_([this] { Run(); }) {}

BlobWriter::~BlobWriter() { Finish().IgnoreError(); }

bool BlobWriter::HasRoom() const { return chunks_.size() < kMaxChunksUnderWay || !status_.ok(); }
bool BlobWriter::HasWork() const { return !chunks_.empty() || finished_; }

absl::Status BlobWriter::Append(std::string chunk) {
  absl::MutexLock lock(&mutex_, absl::Condition(this, &BlobWriter::HasRoom));
  if (status_.ok()) chunks_.push_back(std::move(chunk));
  return status_;
}

absl::Status BlobWriter::Finish() {
  {
    absl::MutexLock lock(&mutex_);
    finished_ = true;
  }
  if (thread_.joinable()) thread_.join();
  absl::MutexLock lock(&mutex_);
  return status_;
}

void BlobWriter::Run() {
  while (true) {
    std::string chunk;
    {
      absl::MutexLock lock(&mutex_, absl::Condition(this, &BlobWriter::HasWork));
      if (chunks_.empty()) return;
      chunk = std::move(chunks_.front());
      chunks_.pop_front();
      if (!status_.ok()) continue;
    }
    if (absl::Status status = Write(chunk); !status.ok()) {
      absl::MutexLock lock(&mutex_);
      status_ = std::move(status);
    }
  }
}

absl::Status BlobWriter::Write(const std::string& chunk) {
  hash_.Update(chunk);
  if (absl::Status status = WriteAt(fd_, chunk, offset_, path_); !status.ok()) return status;
  offset_ += static_cast<int64_t>(chunk.size());
  if (offset_ - flushed_ >= kFlushBytes) {
    // A hint: what goes wrong here, the sync at the end tells.
    sync_file_range(fd_, flushed_, offset_ - flushed_, SYNC_FILE_RANGE_WRITE);
    flushed_ = offset_;
  }
  return absl::OkStatus();
}

}  // namespace acclimate::artifacts
