// Space that is kept aside for the changes that make room on a full disk.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_DISK_RESERVE_H_
#define ACCLIMATE_SERVER_ARTIFACTS_DISK_RESERVE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace acclimate::artifacts {

inline constexpr int64_t kDiskReserveBytes = int64_t{16} << 20;

// A file that holds nothing. Thread-safe.
class DiskReserve {
 public:
  DiskReserve(std::string path, int64_t bytes) : path_(std::move(path)), bytes_(bytes) {}

  // Takes the space, unless it has it. False: the disk has none, or takes no reservations.
  bool Fill();
  // Gives the space to the disk. True: there was some; what found the disk full may try again.
  bool Release();

 private:
  const std::string path_;
  const int64_t bytes_;
  absl::Mutex mutex_;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_DISK_RESERVE_H_
