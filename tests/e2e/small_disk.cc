#include "tests/e2e/small_disk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace acclimate::e2e {
namespace {

constexpr int64_t kPageBytes = 4096;

}  // namespace

SmallDisk::SmallDisk(const std::string& folder, int64_t mebibytes)
    : folder_(folder),
      mounted_(mount("none", folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV,
                     absl::StrCat("size=", mebibytes, "m").c_str()) == 0) {}

SmallDisk::~SmallDisk() {
  if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
}

void SmallDisk::FillTo(int64_t free_bytes) {
  const int fd = open((folder_ + "/filler").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_GE(fd, 0);
  off_t end = lseek(fd, 0, SEEK_END);
  // Others write meanwhile.
  for (int tries = 0; tries < 100; ++tries) {
    const auto available = static_cast<int64_t>(std::filesystem::space(folder_).available);
    const int64_t more = (available - free_bytes) / kPageBytes * kPageBytes;
    if (more <= 0) break;
    if (fallocate(fd, 0, end, more) == 0) end += more;
  }
  close(fd);
}

void SmallDisk::Empty() { std::filesystem::remove(folder_ + "/filler"); }

}  // namespace acclimate::e2e
