// A file that an operator may replace while the server runs.
#ifndef ACCLIMATE_SERVER_AUTH_WATCHED_FILE_H_
#define ACCLIMATE_SERVER_AUTH_WATCHED_FILE_H_

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace acclimate::auth {

// Reads the file when it has changed: another inode, size or time of change. Thread-safe.
class WatchedFile {
 public:
  // `take` gets the contents, and keeps what it had when it returns an error; it is called by one
  // thread at a time. The first contents must be good.
  using Take = std::function<absl::Status(const std::string& contents)>;
  WatchedFile(std::string path, Take take) : path_(std::move(path)), take_(std::move(take)) {}

  // INVALID_ARGUMENT: the file cannot be read, or is not what it should be; with its path.
  absl::Status Read();
  // Looks at most once a second. Contents that are no good are logged, and the former ones go on.
  void Refresh();

  const std::string& path() const { return path_; }

 private:
  // What tells one version of the file from another.
  struct Version {
    uint64_t inode = 0;
    int64_t size = -1, change_time = 0;
    bool operator==(const Version& other) const {
      return inode == other.inode && size == other.size && change_time == other.change_time;
    }
  };
  absl::Status ReadLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Version CurrentVersion() const;

  const std::string path_;
  const Take take_;
  absl::Mutex mutex_;
  Version version_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_look_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::auth

#endif  // ACCLIMATE_SERVER_AUTH_WATCHED_FILE_H_
