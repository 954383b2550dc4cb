#include "core/selection/guard.h"

#include <utility>

// One line a rule, in the order in which they are asked: the function that its file defines.
#define ACCLIMATE_GUARD_RULES(X) \
  X(CollapseRule)                \
  X(AuditRule)                   \
  X(GainRule)                    \
  X(OwnDomainRule)               \
  X(OtherKindRule)

namespace acclimate::selection {

#define ACCLIMATE_DECLARE(Name) GuardRule Name();
ACCLIMATE_GUARD_RULES(ACCLIMATE_DECLARE)
#undef ACCLIMATE_DECLARE

const std::vector<GuardRule>& GuardRules() {
#define ACCLIMATE_CALL(Name) Name(),
  static const auto* const kRules =
      new std::vector<GuardRule>{ACCLIMATE_GUARD_RULES(ACCLIMATE_CALL)};
#undef ACCLIMATE_CALL
  return *kRules;
}

std::vector<Verdict> AskRules(const GuardCase& guard_case) {
  std::vector<Verdict> verdicts;
  const bool measured = LabelsDecide(guard_case.candidates[guard_case.adapted]);
  for (const GuardRule& rule : GuardRules()) {
    if (rule.estimates && measured) continue;
    absl::optional<Verdict> verdict = rule.ask(guard_case);
    if (!verdict) continue;
    verdict->rule = rule.name;
    verdicts.push_back(*std::move(verdict));
  }
  return verdicts;
}

}  // namespace acclimate::selection
