// A model that is surer of the target than the source model was right at home: entropy that is
// minimised where classes overlap makes clusters that are not the classes. For jobs without source
// data, which have nothing else to measure it by.
#include <ATen/ATen.h>

#include "absl/strings/str_format.h"
#include "core/selection/guard.h"

namespace acclimate::selection {
namespace {

// A classifier that was right on h of its own domain is sure of about h of another at best.
constexpr double kMostAboveOwnDomain = 0.1;

absl::optional<Verdict> AskOwnDomain(const GuardCase& guard_case) {
  const Candidate& adapted = guard_case.candidates[guard_case.adapted];
  const absl::optional<SourceRecord>& record = guard_case.witnesses.record;
  if (!record || adapted.home_labels.defined()) return absl::nullopt;
  const double sure = adapted.probabilities.to(at::kDouble).amax(1).mean().item<double>();
  Verdict verdict;
  verdict.holds = sure <= record->accuracy + kMostAboveOwnDomain;
  verdict.says = absl::StrFormat(
      "it is sure of %.1f %% of the target, where the source model had %.1f %% of its own domain "
      "right",
      100 * sure, 100 * record->accuracy);
  return verdict;
}

}  // namespace

GuardRule OwnDomainRule() { return {"own_domain", &AskOwnDomain, /*estimates=*/true}; }

}  // namespace acclimate::selection
