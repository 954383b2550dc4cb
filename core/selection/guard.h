// The guard: what an adapted model must pass to be returned in place of the source model.
//
// Adding a rule: a file in guard/ that defines its GuardRule, a line in guard.cc, a test, a row in
// docs/selection.md with what it does on tasks that it was not drawn on.
#ifndef ACCLIMATE_CORE_SELECTION_GUARD_H_
#define ACCLIMATE_CORE_SELECTION_GUARD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/types/optional.h"
#include "core/selection/candidate.h"

namespace acclimate::selection {

// What a rule may go by beside the candidates.
struct Witnesses {
  // int64 [N] on the CPU: the classes that a classical teacher says of the target's samples. It has
  // nothing of the checkpoint and so none of its mistakes. Undefined where there is none.
  at::Tensor teacher;
  double home_accuracy = 0;             // of the teacher on the held-out source
  absl::optional<SourceRecord> record;  // of the checkpoint
  int64_t target_samples = 0;           // of the whole target, which labelled ones are drawn from
};

struct GuardCase {
  const std::vector<Candidate>& candidates;  // the source model as it came is the first
  size_t adapted = 0, source = 0;            // the best of either
  const Witnesses& witnesses;
};

// Whether a model of another kind that has so much of the held-out source right knows that domain
// about as well as the source model as it came.
bool KnowsHome(double home_accuracy, const Candidate& source,
               const absl::optional<SourceRecord>& record);

// Of three models that err each in its own way, the two that agree least are the two that are right
// least. A teacher is heard that knows home, and agrees with the adapted model at least as often as
// the source model does, which that model came from.
bool TeacherIsHeard(const std::vector<Candidate>& candidates, size_t adapted,
                    const Witnesses& witnesses);

// How many of the labelled samples a candidate that was asked for them is right on.
int64_t RightOnLabels(const Candidate& candidate);

// Whether the candidates were asked for so many labelled samples that these take the place of every
// rule that estimates the gain. The sign of a gain of 10 points between models that differ on 30 %
// of the samples comes out right for 90 % of the draws of 50 labels, for 80 % of those of 20; that
// of `gain` for 176 of 225 models (docs/selection.md).
bool LabelsDecide(const Candidate& candidate);
constexpr int64_t kLeastLabelsToDecide = 50;

struct Verdict {
  std::string rule;
  bool holds = true;
  std::string says;  // in words
};

struct GuardRule {
  const char* name;
  // Absent where it has nothing to go by.
  absl::optional<Verdict> (*ask)(const GuardCase& guard_case);
  bool estimates = false;  // what labels measure: it is not asked where LabelsDecide()
};

// In the order in which they are asked.
const std::vector<GuardRule>& GuardRules();

// Of every rule that has something to say.
std::vector<Verdict> AskRules(const GuardCase& guard_case);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_GUARD_H_
