#include "server/jobs/memory_estimates.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace acclimate::jobs {

std::string MemoryKind(const v1::JobSpec& spec, int batch_divisor) {
  const std::string& model =
      spec.model().architecture().empty() ? spec.model().checkpoint() : spec.model().architecture();
  const auto batch = spec.hyperparameters().find("batch_size");
  return absl::StrCat(spec.method(), "\n", model, "\n",
                      batch == spec.hyperparameters().end() ? 0 : batch->second.integer(), "/",
                      std::max(1, batch_divisor));
}

std::optional<MemoryPeak> MemoryEstimates::Learned(const std::string& kind, int64_t bytes,
                                                   bool succeeded) const {
  if (bytes <= 0) return std::nullopt;
  const std::optional<int64_t> known = PeakOf(kind);
  if (!succeeded && (!known.has_value() || bytes <= *known)) return std::nullopt;
  const int64_t fallen = known.has_value() ? *known - *known / 8 : 0;
  const MemoryPeak learned{kind, std::max(bytes, fallen)};
  if (known == learned.bytes) return std::nullopt;
  return learned;
}

void MemoryEstimates::Set(const MemoryPeak& peak) {
  if (bytes_.insert_or_assign(peak.kind, peak.bytes).second) order_.push_back(peak.kind);
  if (order_.size() <= kMaxKinds) return;
  bytes_.erase(order_.front());
  order_.pop_front();
}

std::optional<int64_t> MemoryEstimates::PeakOf(const std::string& kind) const {
  const auto found = bytes_.find(kind);
  if (found == bytes_.end()) return std::nullopt;
  return found->second;
}

}  // namespace acclimate::jobs
