#include "tests/reliability/process_size.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kDescriptorsAllowed = 10;
constexpr int64_t kThreadsAllowed = 10;
constexpr int64_t kBytesAllowed = int64_t{24} << 20;

int64_t EntriesIn(const std::string& folder) {
  std::error_code gone;
  return std::distance(fs::directory_iterator(folder, gone), fs::directory_iterator());
}

std::string Text(const ProcessSize& size) {
  return absl::StrCat(size.resident_bytes >> 20, " MiB, ", size.descriptors, " descriptors, ",
                      size.threads, " threads");
}

}  // namespace

ProcessSize SizeOf(pid_t process) {
  const std::string folder = absl::StrCat("/proc/", process);
  int64_t total = 0, resident = 0;
  std::ifstream(folder + "/statm") >> total >> resident;
  return {resident * sysconf(_SC_PAGESIZE), EntriesIn(folder + "/fd"), EntriesIn(folder + "/task")};
}

void ExpectNoGrowth(const ProcessSize& before, const ProcessSize& after) {
  Report("the server before", Text(before));
  Report("the server after", Text(after));
  EXPECT_LE(after.descriptors, before.descriptors + kDescriptorsAllowed);
  EXPECT_LE(after.threads, before.threads + kThreadsAllowed);
  EXPECT_LE(after.resident_bytes, before.resident_bytes + kBytesAllowed);
}

}  // namespace acclimate::reliability
