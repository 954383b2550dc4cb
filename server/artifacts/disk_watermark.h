// How full the disk of the data directory may become before new work is refused.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_DISK_WATERMARK_H_
#define ACCLIMATE_SERVER_ARTIFACTS_DISK_WATERMARK_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::artifacts {

// What an unprivileged process could use at most, and what it still may use.
struct DiskUsage {
  int64_t size_bytes = 0;
  int64_t free_bytes = 0;
};

struct DiskLimits {
  double watermark = 1.0;      // share of the disk that new work may fill
  int64_t min_free_bytes = 0;  // and what it leaves in any case
};

// Thread-safe.
class DiskWatermark {
 public:
  using Reader = std::function<absl::StatusOr<DiskUsage>(const std::string& path)>;

  // Reads the file system of `path` by statvfs(3).
  DiskWatermark(std::string path, DiskLimits limits);
  DiskWatermark(std::string path, DiskLimits limits, Reader reader);

  // RESOURCE_EXHAUSTED with the path and the figures when `bytes` more go beyond the limits, or
  // when these are reached already. `what` needs the bytes: "the upload", "a job".
  absl::Status CheckRoom(absl::string_view what, int64_t bytes) const;

 private:
  const std::string path_;
  const DiskLimits limits_;
  const Reader reader_;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_DISK_WATERMARK_H_
