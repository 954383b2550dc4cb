#include "server/auth/watched_file.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/log.h"

namespace acclimate::auth {
namespace {

constexpr absl::Duration kInterval = absl::Seconds(1);

}  // namespace

WatchedFile::Version WatchedFile::CurrentVersion() const {
  struct stat state = {};
  if (stat(path_.c_str(), &state) != 0) return {};
  return {state.st_ino, state.st_size, absl::ToUnixNanos(absl::TimeFromTimespec(state.st_ctim))};
}

absl::Status WatchedFile::ReadLocked() {
  version_ = CurrentVersion();
  std::ifstream file(path_, std::ios::binary);
  if (!file) return absl::InvalidArgumentError(absl::StrCat("cannot read ", path_));
  const std::string contents((std::istreambuf_iterator<char>(file)), {});
  if (file.bad()) return absl::InvalidArgumentError(absl::StrCat("cannot read ", path_));
  const absl::Status status = take_(contents);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(path_, ": ", status.message()));
}

absl::Status WatchedFile::Read() {
  const absl::MutexLock lock(&mutex_);
  next_look_ = absl::Now() + kInterval;
  return ReadLocked();
}

void WatchedFile::Refresh() {
  const absl::MutexLock lock(&mutex_);
  const absl::Time now = absl::Now();
  if (now < next_look_) return;
  next_look_ = now + kInterval;
  if (CurrentVersion() == version_) return;
  if (const absl::Status status = ReadLocked(); status.ok()) {
    LogInfo("read a file that has changed", {{"path", path_}});
  } else {
    LogError("a file has changed and is no good: the former contents go on", {{"error", status}});
  }
}

}  // namespace acclimate::auth
