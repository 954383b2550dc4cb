// The few calls that make files durable, with a Status that names the path.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_FILE_SYSTEM_H_
#define ACCLIMATE_SERVER_ARTIFACTS_FILE_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/artifacts/file_descriptor.h"

namespace acclimate::artifacts {

// errno as a Status: RESOURCE_EXHAUSTED, with the reason DISK_FULL, for a full disk or quota;
// NOT_FOUND when there is no such file; else UNAVAILABLE, also where memory or descriptors are
// short: it may pass.
absl::Status FileError(absl::string_view action, const std::string& path);
// Whether the status is that of a full disk, and not of anything else that was exhausted.
bool IsDiskFull(const absl::Status& status);

absl::StatusOr<FileDescriptor> OpenFile(const std::string& path, int flags);
absl::Status MakeDirectories(const std::string& path);
absl::Status SyncDirectory(const std::string& path);
// Writes all of it at the offset.
absl::Status WriteAt(int fd, absl::string_view data, int64_t offset, const std::string& path);
// Exactly `size` bytes of a blob at the offset: it neither shrinks nor grows. DATA_LOSS: it ends
// before.
absl::Status ReadAt(int fd, int64_t offset, size_t size, std::string& data);
// Beside the file, synced, renamed over it, the directory synced.
absl::Status WriteFileDurably(const std::string& path, absl::string_view content);
absl::StatusOr<int64_t> FileSize(int fd, const std::string& path);
// What an unprivileged process may still use of the file system.
absl::StatusOr<int64_t> FreeDiskBytes(const std::string& path);
// What such a process could use of it at most.
absl::StatusOr<int64_t> DiskBytes(const std::string& path);

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_FILE_SYSTEM_H_
