#include "server/artifacts/disk_reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/artifacts/file_system.h"
#include "server/base/log.h"

namespace acclimate::artifacts {

bool DiskReserve::Fill() {
  absl::MutexLock lock(&mutex_);
  struct stat info {};
  if (stat(path_.c_str(), &info) == 0 && info.st_size == bytes_) return true;
  const absl::StatusOr<FileDescriptor> file = OpenFile(path_, O_WRONLY | O_CREAT);
  if (file.ok() && fallocate(file->get(), 0, 0, bytes_) == 0) return true;
  unlink(path_.c_str());
  return false;
}

bool DiskReserve::Release() {
  absl::MutexLock lock(&mutex_);
  if (unlink(path_.c_str()) != 0) return false;
  LogWarning("the disk is full: its reserve is used", {{"path", path_}, {"bytes", bytes_}});
  return true;
}

}  // namespace acclimate::artifacts
