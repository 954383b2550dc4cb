// Files whose bytes have been seen to hash to their names.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_VERIFIED_FILES_H_
#define ACCLIMATE_SERVER_ARTIFACTS_VERIFIED_FILES_H_

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace acclimate::artifacts {

// A file counts as verified until it is another file, or was written to. It forgets what it knows
// when that is too much, and takes no file that was written to just now: such a blob is hashed once
// more. Thread-safe.
class VerifiedFiles {
 public:
  void Add(const std::string& sha256, const struct stat& file);
  bool Contains(const std::string& sha256, const struct stat& file) const;
  void Remove(const std::string& sha256);

 private:
  struct Version {
    uint64_t inode = 0;
    int64_t size_bytes = 0;
    int64_t modified_ns = 0;
    bool operator==(const Version& other) const {
      return inode == other.inode && size_bytes == other.size_bytes &&
             modified_ns == other.modified_ns;
    }
  };
  static Version VersionOf(const struct stat& file);

  mutable absl::Mutex mutex_;
  std::unordered_map<std::string, Version> versions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_VERIFIED_FILES_H_
