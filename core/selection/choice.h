// Which of several candidates is returned: the best adapted one, unless the guard holds it back.
#ifndef ACCLIMATE_CORE_SELECTION_CHOICE_H_
#define ACCLIMATE_CORE_SELECTION_CHOICE_H_

#include <cstddef>
#include <vector>

#include "core/selection/candidate.h"
#include "core/selection/gain_estimate.h"
#include "core/selection/guard.h"

namespace acclimate::selection {

// EnsV (Hu et al., "Towards realistic unsupervised model selection", NeurIPS 2024): the share of
// the target's samples of which a candidate says what the mean of all candidates' probabilities
// says. Candidates that collapsed are not asked.
std::vector<double> EnsembleAgreement(const std::vector<Candidate>& candidates);

// One validator of each kind, as sizes: z(ensemble_agreement) + z(nuclear_norm), with z over the
// candidates that have not collapsed. Agreement follows the majority, which is one family of
// methods; confidence follows the bold. kCannotWin for what has collapsed.
std::vector<double> EnsembleScores(const std::vector<Candidate>& candidates);
constexpr double kCannotWin = -1e9;

// Of `adapted` beyond `source`; absent where there was no held-out source.
absl::optional<GainEstimate> GainOver(const Candidate& source, const Candidate& adapted);

struct Choice {
  size_t best = 0;                // the candidate to return
  size_t adapted = 0;             // the best adapted one
  size_t source = 0;              // the best form of the source model
  bool held = true;               // the guard: the adapted one may be returned
  std::vector<Verdict> verdicts;  // of the guard's rules that had something to say, in their order
  std::string reason;             // in words: of the rules that decided
};

// candidates: at least one form of the source, first as it came, and one adapted. `last`: the
// adapted one with the highest step instead of the ensemble's. `guard`: the adapted one is returned
// only if every rule of guard.h that has something to say of it lets it.
Choice Choose(const std::vector<Candidate>& candidates, const Witnesses& witnesses, bool last,
              bool guard);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_CHOICE_H_
