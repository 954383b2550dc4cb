// How much memory jobs of a kind need, learned from attempts that have ended.
#ifndef ACCLIMATE_SERVER_JOBS_MEMORY_ESTIMATES_H_
#define ACCLIMATE_SERVER_JOBS_MEMORY_ESTIMATES_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "acclimate/v1/job.pb.h"

namespace acclimate::jobs {

struct MemoryPeak {
  std::string kind;
  int64_t bytes = 0;
};

// Jobs of one kind have the same method, model (its architecture, or else the checkpoint's digest)
// and batch size.
std::string MemoryKind(const v1::JobSpec& spec, int batch_divisor);

// Not thread-safe.
class MemoryEstimates {
 public:
  static constexpr size_t kMaxKinds = 10'000;  // the one that was learned first is forgotten

  // What `bytes`, the peak of an attempt, changes; nullopt: nothing. An attempt that succeeded says
  // what its kind needs: the estimate rises to it at once, and falls towards it by an eighth. One
  // that ended early can only raise what is known.
  std::optional<MemoryPeak> Learned(const std::string& kind, int64_t bytes, bool succeeded) const;
  void Set(const MemoryPeak& peak);
  std::optional<int64_t> PeakOf(const std::string& kind) const;

 private:
  absl::flat_hash_map<std::string, int64_t> bytes_;
  std::deque<std::string> order_;  // of the first Set()
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_MEMORY_ESTIMATES_H_
