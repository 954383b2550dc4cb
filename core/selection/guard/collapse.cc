// A model that put the target into few classes.
#include "absl/strings/str_format.h"
#include "core/selection/guard.h"

namespace acclimate::selection {
namespace {

absl::optional<Verdict> AskCollapse(const GuardCase& guard_case) {
  const Candidate& adapted = guard_case.candidates[guard_case.adapted];
  Verdict verdict;
  verdict.holds = !Collapsed(adapted, guard_case.candidates);
  verdict.says =
      verdict.holds
          ? absl::StrFormat("its predictions use %.1f classes", adapted.classes_in_use)
          : absl::StrFormat("its predictions collapsed onto %.1f classes", adapted.classes_in_use);
  return verdict;
}

}  // namespace

GuardRule CollapseRule() { return {"collapse", &AskCollapse}; }

}  // namespace acclimate::selection
