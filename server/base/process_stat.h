// What the kernel counts of a process.
#ifndef ACCLIMATE_SERVER_BASE_PROCESS_STAT_H_
#define ACCLIMATE_SERVER_BASE_PROCESS_STAT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace acclimate {

// Of /proc/<process>/stat, as proc(5) numbers its fields, from 1.
class ProcessStat {
 public:
  // `process` is a number, or "self". nullopt: there is no such process.
  static std::optional<ProcessStat> Read(const std::string& process);

  double Number(size_t field) const;      // from the third to the 24th
  absl::Duration processor_time() const;  // in user and in kernel mode, of all its threads

 private:
  std::vector<std::string> fields_;  // from the third on
};

double TicksPerSecond();  // of fields that count them

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_PROCESS_STAT_H_
