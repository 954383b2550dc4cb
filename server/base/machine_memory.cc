#include "server/base/machine_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace acclimate {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

int64_t TotalBytes(const std::string& root) {
  std::ifstream meminfo(absl::StrCat(root, "/proc/meminfo"));
  std::string key, unit;
  int64_t kibibytes;
  while (meminfo >> key >> kibibytes && std::getline(meminfo, unit)) {
    if (key == "MemTotal:") return kibibytes << 10;
  }
  return kUnlimited;
}

// The number in a file of one; "max", or no such file, is no limit.
int64_t LimitIn(const std::string& path) {
  std::string text;
  int64_t bytes = 0;
  std::ifstream(path) >> text;
  return absl::SimpleAtoi(text, &bytes) && bytes > 0 ? bytes : kUnlimited;
}

// Of this process's group and those above it, in the second version of control groups.
int64_t GroupLimit(const std::string& root) {
  const std::string mount = absl::StrCat(root, "/sys/fs/cgroup");
  int64_t limit = LimitIn(absl::StrCat(mount, "/memory.max"));
  limit = std::min(limit, LimitIn(absl::StrCat(mount, "/memory/memory.limit_in_bytes")));
  std::ifstream groups(absl::StrCat(root, "/proc/self/cgroup"));
  std::string line;
  while (std::getline(groups, line)) {
    if (!absl::StartsWith(line, "0::/")) continue;
    for (std::string path = line.substr(3); path.size() > 1; path.resize(path.rfind('/'))) {
      limit = std::min(limit, LimitIn(absl::StrCat(mount, path, "/memory.max")));
    }
  }
  return limit;
}

}  // namespace

int64_t MachineMemoryBytes(const std::string& root) {
  const int64_t bytes = std::min(TotalBytes(root), GroupLimit(root));
  return bytes == kUnlimited ? 0 : bytes;
}

}  // namespace acclimate
