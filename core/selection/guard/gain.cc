// Is it worse? COT's estimate of the difference on the same samples (Lu et al., 2023), which had
// the sign of the gain right most often of those that were compared (docs/selection.md).
#include "absl/strings/str_format.h"
#include "core/selection/choice.h"
#include "core/selection/guard.h"

namespace acclimate::selection {
namespace {

constexpr double kOneSided95 = 1.645;

absl::optional<Verdict> AskGain(const GuardCase& guard_case) {
  if (TeacherIsHeard(guard_case.candidates, guard_case.adapted, guard_case.witnesses)) {
    return absl::nullopt;
  }
  const absl::optional<GainEstimate> gain =
      GainOver(guard_case.candidates[guard_case.source], guard_case.candidates[guard_case.adapted]);
  if (!gain) return absl::nullopt;
  Verdict verdict;
  verdict.holds = gain->value + kOneSided95 * gain->standard_error >= 0;
  verdict.says = absl::StrFormat(
      "optimal transport estimates that it has %+.1f %% (+- %.1f) of the samples right beyond the "
      "source model",
      100 * gain->value, 100 * kOneSided95 * gain->standard_error);
  return verdict;
}

}  // namespace

GuardRule GainRule() { return {"gain", &AskGain, /*estimates=*/true}; }

}  // namespace acclimate::selection
