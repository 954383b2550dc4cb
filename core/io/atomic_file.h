// A file that appears whole or not at all.
#ifndef ACCLIMATE_CORE_IO_ATOMIC_FILE_H_
#define ACCLIMATE_CORE_IO_ATOMIC_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate::io {

// Bytes are written to the side, "<path>.partial"; Commit() makes them durable and renames them
// into place. Without Commit() the destructor removes them. Not thread-safe; one writer a path.
class AtomicFile {
 public:
  static absl::StatusOr<AtomicFile> Create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  absl::Status Write(absl::string_view bytes);
  // fsync of the file, rename, fsync of its folder. Call once, last.
  absl::Status Commit();

 private:
  AtomicFile(std::string path, int fd);
  absl::Status Error(absl::string_view action) const;
  std::string path_;
  std::string partial_path_;
  int fd_;
};

// From errno: "cannot <what>: ...", known to IsDiskFull().
absl::Status WriteError(absl::string_view what);
// Whether the error is of a file that found no room on the disk, or in its quota.
bool IsDiskFull(const absl::Status& status);

}  // namespace acclimate::io

#endif  // ACCLIMATE_CORE_IO_ATOMIC_FILE_H_
