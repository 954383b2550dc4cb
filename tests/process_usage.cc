#include "tests/process_usage.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/process_stat.h"

namespace acclimate {
namespace {

namespace fs = std::filesystem;

int64_t EntriesIn(const std::string& folder) {
  std::error_code gone;
  return std::distance(fs::directory_iterator(folder, gone), fs::directory_iterator());
}

}  // namespace

absl::StatusOr<ProcessUsage> UsageOf(pid_t process) {
  const std::string folder = absl::StrCat("/proc/", process);
  const std::optional<ProcessStat> stat = ProcessStat::Read(absl::StrCat(process));
  int64_t total = 0, resident = 0;
  std::ifstream(folder + "/statm") >> total >> resident;
  if (!stat.has_value() || total == 0) {
    return absl::NotFoundError(absl::StrCat("process ", process, " has gone"));
  }
  return ProcessUsage{resident * sysconf(_SC_PAGESIZE), EntriesIn(folder + "/fd"),
                      EntriesIn(folder + "/task"), stat->processor_time()};
}

}  // namespace acclimate
