#include "server/artifacts/verified_files.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace acclimate::artifacts {
namespace {

constexpr size_t kMaxVerifiedFiles = 100'000;
// Of the clock that file systems take for times. Two writes within it leave the same time.
constexpr absl::Duration kTimeGranularity = absl::Milliseconds(20);

}  // namespace

VerifiedFiles::Version VerifiedFiles::VersionOf(const struct stat& file) {
  return {file.st_ino, file.st_size,
          int64_t{file.st_mtim.tv_sec} * 1'000'000'000 + file.st_mtim.tv_nsec};
}

void VerifiedFiles::Add(const std::string& sha256, const struct stat& file) {
  if (absl::Now() - absl::TimeFromTimespec(file.st_mtim) < kTimeGranularity) return;
  absl::MutexLock lock(&mutex_);
  if (versions_.size() >= kMaxVerifiedFiles) versions_.clear();
  versions_[sha256] = VersionOf(file);
}

bool VerifiedFiles::Contains(const std::string& sha256, const struct stat& file) const {
  absl::MutexLock lock(&mutex_);
  const auto found = versions_.find(sha256);
  return found != versions_.end() && found->second == VersionOf(file);
}

void VerifiedFiles::Remove(const std::string& sha256) {
  absl::MutexLock lock(&mutex_);
  versions_.erase(sha256);
}

}  // namespace acclimate::artifacts
