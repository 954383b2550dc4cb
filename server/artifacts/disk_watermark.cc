#include "server/artifacts/disk_watermark.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/artifacts/file_system.h"
#include "server/base/errors.h"

namespace acclimate::artifacts {
namespace {

absl::StatusOr<DiskUsage> ReadUsage(const std::string& path) {
  const absl::StatusOr<int64_t> size = DiskBytes(path);
  if (!size.ok()) return size.status();
  const absl::StatusOr<int64_t> free = FreeDiskBytes(path);
  if (!free.ok()) return free.status();
  return DiskUsage{*size, *free};
}

}  // namespace

DiskWatermark::DiskWatermark(std::string path, DiskLimits limits)
    : DiskWatermark(std::move(path), limits, ReadUsage) {}

DiskWatermark::DiskWatermark(std::string path, DiskLimits limits, Reader reader)
    : path_(std::move(path)), limits_(limits), reader_(std::move(reader)) {}

absl::Status DiskWatermark::CheckRoom(absl::string_view what, int64_t bytes) const {
  const absl::StatusOr<DiskUsage> usage = reader_(path_);
  if (!usage.ok()) return usage.status();
  const int64_t used = usage->size_bytes - usage->free_bytes;
  const auto mark =
      static_cast<int64_t>(limits_.watermark * static_cast<double>(usage->size_bytes));
  const int64_t room = std::min(mark - used, usage->free_bytes - limits_.min_free_bytes);
  if (room > 0 && bytes <= room) return absl::OkStatus();
  return QuotaExceeded(
      v1::DISK_FULL, absl::StrCat("disk:", path_),
      absl::StrFormat("%s needs %d bytes; the disk of %s has room for %d: %d of %d bytes are used "
                      "(%.1f %%), new work may fill %.1f %% and leaves at least %d bytes free",
                      what, bytes, path_, std::max<int64_t>(room, 0), used, usage->size_bytes,
                      100.0 * static_cast<double>(used) /
                          static_cast<double>(std::max<int64_t>(usage->size_bytes, 1)),
                      100.0 * limits_.watermark, limits_.min_free_bytes));
}

}  // namespace acclimate::artifacts
