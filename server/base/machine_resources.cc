#include "server/base/machine_resources.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace acclimate {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

// The value of a key of a file of lines "key value"; `otherwise` where there is none.
int64_t ValueIn(const std::string& path, const std::string& key, int64_t otherwise) {
  std::ifstream file(path);
  std::string found, rest;
  int64_t value;
  while (file >> found >> value && std::getline(file, rest)) {
    if (found == key) return value;
  }
  return otherwise;
}

int64_t MeminfoBytes(const std::string& root, const std::string& key) {
  const int64_t kibibytes = ValueIn(absl::StrCat(root, "/proc/meminfo"), key, -1);
  return kibibytes < 0 ? kUnlimited : kibibytes << 10;
}

// The number in a file of one; "max", or no such file, is `otherwise`.
int64_t NumberIn(const std::string& path, int64_t otherwise) {
  std::string text;
  int64_t number = 0;
  std::ifstream(path) >> text;
  return absl::SimpleAtoi(text, &number) && number > 0 ? number : otherwise;
}

// The folders of this process's group and those above it, in the second version of control groups.
std::vector<std::string> Groups(const std::string& root) {
  const std::string mount = absl::StrCat(root, "/sys/fs/cgroup");
  std::vector<std::string> folders = {mount};
  std::ifstream groups(absl::StrCat(root, "/proc/self/cgroup"));
  std::string line;
  while (std::getline(groups, line)) {
    if (!absl::StartsWith(line, "0::/")) continue;
    for (std::string path = line.substr(3); path.size() > 1; path.resize(path.rfind('/'))) {
      folders.push_back(mount + path);
    }
  }
  return folders;
}

// Of the first version there is only the group that a container sees as its own.
std::string FirstVersion(const std::string& root, const char* file) {
  return absl::StrCat(root, "/sys/fs/cgroup/", file);
}

// The share of processor time that a group has, in processors.
double Share(const std::string& group) {
  std::string quota;
  double period = 0;
  std::ifstream file(absl::StrCat(group, "/cpu.max"));
  double share = std::numeric_limits<double>::infinity();
  if (file >> quota >> period && period > 0 && absl::SimpleAtod(quota, &share)) {
    return share / period;
  }
  return std::numeric_limits<double>::infinity();
}

}  // namespace

int64_t MachineMemoryBytes(const std::string& root) {
  int64_t bytes =
      std::min(MeminfoBytes(root, "MemTotal:"),
               NumberIn(FirstVersion(root, "memory/memory.limit_in_bytes"), kUnlimited));
  for (const std::string& group : Groups(root)) {
    bytes = std::min(bytes, NumberIn(absl::StrCat(group, "/memory.max"), kUnlimited));
  }
  return bytes == kUnlimited ? 0 : bytes;
}

std::optional<int64_t> AvailableMemoryBytes(const std::string& root) {
  int64_t bytes = MeminfoBytes(root, "MemAvailable:");
  for (const std::string& group : Groups(root)) {
    const int64_t limit = NumberIn(absl::StrCat(group, "/memory.max"), kUnlimited);
    if (limit == kUnlimited) continue;
    const int64_t used = NumberIn(absl::StrCat(group, "/memory.current"), 0);
    const int64_t cached = ValueIn(absl::StrCat(group, "/memory.stat"), "inactive_file", 0);
    bytes = std::min(bytes, std::max<int64_t>(0, limit - used + cached));
  }
  if (bytes == kUnlimited) return std::nullopt;
  return bytes;
}

int MachineProcessors(const std::string& root) {
  cpu_set_t set;
  double processors = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  const int64_t quota = NumberIn(FirstVersion(root, "cpu/cpu.cfs_quota_us"), 0);
  const int64_t period = NumberIn(FirstVersion(root, "cpu/cpu.cfs_period_us"), 0);
  if (quota > 0 && period > 0) {
    processors = std::min(processors, static_cast<double>(quota) / static_cast<double>(period));
  }
  for (const std::string& group : Groups(root)) processors = std::min(processors, Share(group));
  return std::max(1, static_cast<int>(std::ceil(processors)));
}

}  // namespace acclimate
