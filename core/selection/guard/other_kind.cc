// What a model of another kind says: one that has nothing of the checkpoint errs in ways of its
// own, and agrees less with a model that got worse.
#include "absl/strings/str_format.h"
#include "core/selection/guard.h"

namespace acclimate::selection {
namespace {

constexpr double kMargin = 0.01;
constexpr double kMostWorseAtHome = 0.05;

absl::optional<Verdict> AskOtherKind(const GuardCase& guard_case) {
  if (!TeacherIsHeard(guard_case.candidates, guard_case.adapted, guard_case.witnesses)) {
    return absl::nullopt;
  }
  const auto agreement = [&](size_t candidate) {
    return Agreement(guard_case.witnesses.teacher, guard_case.candidates[candidate].predicted);
  };
  const double with_adapted = agreement(guard_case.adapted);
  const double with_source = agreement(guard_case.source);
  Verdict verdict;
  verdict.holds = with_adapted >= with_source - kMargin;
  verdict.says = absl::StrFormat(
      "a classical model agrees with it on %.1f %% of the samples, with the source model on %.1f "
      "%%",
      100 * with_adapted, 100 * with_source);
  return verdict;
}

}  // namespace

bool KnowsHome(double home_accuracy, const Candidate& source,
               const absl::optional<SourceRecord>& record) {
  // The checkpoint's own training may have seen what is held out now.
  const double known = record ? record->accuracy : source.score("source_accuracy");
  return home_accuracy >= known - kMostWorseAtHome;
}

bool TeacherIsHeard(const std::vector<Candidate>& candidates, size_t adapted,
                    const Witnesses& witnesses) {
  const Candidate& source = candidates.front();
  if (!witnesses.teacher.defined() ||
      !KnowsHome(witnesses.home_accuracy, source, witnesses.record)) {
    return false;
  }
  const at::Tensor& says = candidates[adapted].predicted;
  return Agreement(witnesses.teacher, says) >= Agreement(source.predicted, says);
}

GuardRule OtherKindRule() { return {"other_kind", &AskOtherKind, /*estimates=*/true}; }

}  // namespace acclimate::selection
