#include "server/api/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/file_system.h"

namespace acclimate::api {

DataDirectory::DataDirectory(std::string path, artifacts::FileDescriptor lock)
    : path_(std::move(path)), lock_(std::move(lock)) {}

absl::StatusOr<DataDirectory> DataDirectory::Open(const std::string& path) {
  if (absl::Status status = artifacts::MakeDirectories(path); !status.ok()) return status;
  const std::string absolute = std::filesystem::absolute(path);
  const std::string lock_path = absolute + "/lock";
  absl::StatusOr<artifacts::FileDescriptor> lock = artifacts::OpenFile(lock_path, O_RDWR | O_CREAT);
  if (!lock.ok()) return lock.status();
  if (flock(lock->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return artifacts::FileError("lock", lock_path);
    char holder[32] = {};
    const ssize_t length = pread(lock->get(), holder, sizeof(holder) - 1, 0);
    return absl::FailedPreconditionError(absl::StrCat(
        "the data directory ", absolute, " is in use by another server",
        length > 0 ? absl::StrCat(" (process ", absl::StripAsciiWhitespace(holder), ")") : ""));
  }
  if (ftruncate(lock->get(), 0) != 0) return artifacts::FileError("write", lock_path);
  absl::Status status = artifacts::WriteAt(lock->get(), absl::StrCat(getpid(), "\n"), 0, lock_path);
  if (!status.ok()) return status;
  return DataDirectory(absolute, *std::move(lock));
}

absl::Status DataDirectory::WriteEndpoint(const std::string& listen,
                                          const std::string& metrics_listen) const {
  const nlohmann::json text = {
      {"listen", listen}, {"metrics_listen", metrics_listen}, {"pid", getpid()}};
  return artifacts::WriteFileDurably(PathOf("endpoint.json"), text.dump() + "\n");
}

}  // namespace acclimate::api
