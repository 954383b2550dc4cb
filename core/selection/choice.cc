#include "core/selection/choice.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <string>

#include "absl/strings/str_join.h"
#include "core/selection/accuracy_estimate.h"

namespace acclimate::selection {
namespace {

// Of the candidates that can win, (x - mean) / deviation; 0 where all are alike.
std::vector<double> Standardised(const std::vector<double>& values, const std::vector<bool>& in) {
  double sum = 0, squares = 0, count = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (in[i]) sum += values[i], ++count;
  }
  const double mean = sum / std::max(count, 1.0);
  for (size_t i = 0; i < values.size(); ++i) {
    if (in[i]) squares += (values[i] - mean) * (values[i] - mean);
  }
  // Scores that differ by rounding alone are equal: which is larger hangs on the processor.
  constexpr double kRounding = 1e-5;
  const double deviation = std::sqrt(squares / std::max(count, 1.0));
  std::vector<double> standardised(values.size(), 0.0);
  if (deviation < kRounding) return standardised;
  for (size_t i = 0; i < values.size(); ++i) standardised[i] = (values[i] - mean) / deviation;
  return standardised;
}

std::vector<bool> ThoseThatStand(const std::vector<Candidate>& candidates) {
  std::vector<bool> stand;
  for (const Candidate& candidate : candidates) stand.push_back(!Collapsed(candidate, candidates));
  return stand;
}

// The adapted (or, else, source) candidate with the highest score; ties go to the later one.
size_t BestOf(const std::vector<Candidate>& candidates, const std::vector<double>& scores,
              bool adapted) {
  size_t best = candidates.size();
  for (size_t i = 0; i < candidates.size(); ++i) {
    if ((candidates[i].form == Form::kAdapted) != adapted) continue;
    if (best == candidates.size() || scores[i] >= scores[best]) best = i;
  }
  return best;
}

at::Tensor LogitsOf(const at::Tensor& probabilities) {
  constexpr double kLeast = 1e-8;  // below what 16 bits tell from 0
  return probabilities.to(at::kDouble).clamp_min(kLeast).log();
}

// A form that came later replaces one before it where it is better: by labels where they decide,
// else by what a teacher that is heard says, else by COT; without held-out source by the ensemble.
size_t BetterForm(const std::vector<Candidate>& candidates, const std::vector<double>& scores,
                  size_t adapted, const Witnesses& witnesses) {
  const bool measured = LabelsDecide(candidates[adapted]);
  const bool heard = TeacherIsHeard(candidates, adapted, witnesses);
  size_t best = candidates.size();
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].form == Form::kAdapted) continue;
    if (best == candidates.size()) {
      best = i;
    } else if (measured) {
      if (RightOnLabels(candidates[i]) > RightOnLabels(candidates[best])) best = i;
    } else if (heard) {
      const auto agreement = [&](size_t form) {
        return Agreement(witnesses.teacher, candidates[form].predicted);
      };
      if (agreement(i) > agreement(best)) best = i;
    } else if (const auto gain = GainOver(candidates[best], candidates[i])) {
      if (gain->value > 0) best = i;
    } else if (scores[i] >= scores[best]) {
      best = i;
    }
  }
  return best;
}

size_t LastAdapted(const std::vector<Candidate>& candidates) {
  size_t last = candidates.size();
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].form != Form::kAdapted) continue;
    if (last == candidates.size() || candidates[i].step >= candidates[last].step) last = i;
  }
  return last;
}

}  // namespace

std::vector<double> EnsembleAgreement(const std::vector<Candidate>& candidates) {
  const at::NoGradGuard no_grad;
  const std::vector<bool> stand = ThoseThatStand(candidates);
  at::Tensor sum;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (!stand[i]) continue;
    const at::Tensor probabilities = candidates[i].probabilities.to(at::kFloat);
    sum = sum.defined() ? sum.add_(probabilities) : probabilities;
  }
  const at::Tensor consensus = sum.argmax(1);
  std::vector<double> agreement;
  for (const Candidate& candidate : candidates) {
    agreement.push_back(Agreement(candidate.predicted, consensus));
  }
  return agreement;
}

std::vector<double> EnsembleScores(const std::vector<Candidate>& candidates) {
  const std::vector<bool> stand = ThoseThatStand(candidates);
  std::vector<double> confidence;
  for (const Candidate& candidate : candidates)
    confidence.push_back(candidate.score("nuclear_norm"));
  std::vector<double> scores = Standardised(EnsembleAgreement(candidates), stand);
  const std::vector<double> sure = Standardised(confidence, stand);
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i] = stand[i] ? scores[i] + sure[i] : kCannotWin;
  }
  return scores;
}

absl::optional<GainEstimate> GainOver(const Candidate& source, const Candidate& adapted) {
  if (!source.home_labels.defined() || !adapted.home_labels.defined()) return absl::nullopt;
  const at::NoGradGuard no_grad;
  const auto at_home = [](const Candidate& candidate) {
    return Predictions{{}, LogitsOf(candidate.home_probabilities), candidate.home_labels};
  };
  return EstimateGain(LogitsOf(source.probabilities), at_home(source),
                      LogitsOf(adapted.probabilities), at_home(adapted));
}

Choice Choose(const std::vector<Candidate>& candidates, const Witnesses& witnesses, bool last,
              bool guard) {
  const std::vector<double> scores = EnsembleScores(candidates);
  Choice choice;
  choice.adapted = last ? LastAdapted(candidates) : BestOf(candidates, scores, true);
  choice.source = BetterForm(candidates, scores, choice.adapted, witnesses);
  choice.verdicts = AskRules({candidates, choice.adapted, choice.source, witnesses});
  for (const Verdict& verdict : choice.verdicts) choice.held = choice.held && verdict.holds;
  std::vector<std::string> reasons;
  for (const Verdict& verdict : choice.verdicts) {
    if (verdict.holds == choice.held) reasons.push_back(verdict.says);
  }
  choice.reason = absl::StrJoin(reasons, "; ");
  choice.best = choice.held || !guard ? choice.adapted : choice.source;
  return choice;
}

}  // namespace acclimate::selection
