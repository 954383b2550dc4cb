#include "server/base/process_stat.h"

#include <unistd.h>

#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace acclimate {
namespace {

constexpr size_t kFirst = 3;  // the second may hold spaces

}  // namespace

std::optional<ProcessStat> ProcessStat::Read(const std::string& process) {
  std::ifstream file(absl::StrCat("/proc/", process, "/stat"));
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  ProcessStat stat;
  stat.fields_ = absl::StrSplit(text.substr(text.rfind(')') + 1), ' ', absl::SkipEmpty());
  constexpr size_t kResidentPages = 24;  // the last that anybody asks for
  if (stat.fields_.size() + kFirst <= kResidentPages) return std::nullopt;
  return stat;
}

double ProcessStat::Number(size_t field) const {
  double number = 0;
  return absl::SimpleAtod(fields_.at(field - kFirst), &number) ? number : 0;
}

absl::Duration ProcessStat::processor_time() const {
  constexpr size_t kUserTicks = 14, kSystemTicks = 15;
  return absl::Seconds((Number(kUserTicks) + Number(kSystemTicks)) / TicksPerSecond());
}

double TicksPerSecond() { return static_cast<double>(sysconf(_SC_CLK_TCK)); }

}  // namespace acclimate
