// One model that a run might return, as label-free validators see it; and the choice among several.
#ifndef ACCLIMATE_CORE_SELECTION_CANDIDATE_H_
#define ACCLIMATE_CORE_SELECTION_CANDIDATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "core/selection/accuracy_estimate.h"
#include "core/selection/predictions.h"
#include "core/selection/source_record.h"
#include "core/train/training_state.h"

namespace acclimate::selection {

enum class Form {
  kSource,            // the model as it came
  kSourceStatistics,  // the same with the target's batch-norm statistics
  kAdapted,
};

struct Candidate {
  Form form = Form::kAdapted;
  int64_t step = 0;
  std::vector<double> scores;  // as ValidatorNames(); NaN: not without source data or peers
  double classes_in_use = 0;
  AccuracyEstimate estimate;
  at::Tensor predicted;  // int64 [N] on the CPU: the classes of the target's samples

  std::string Name() const;  // "source", "source_with_target_statistics", "step_400"
};

// "entropy", "information", "nuclear_norm", "neighborhood_density", "class_ami", "silhouette",
// "dev", "nearest_source", "source_accuracy", "peer_agreement".
const std::vector<std::string>& ValidatorNames();

// Scores and estimate from predictions on the target and, where there is any, on held-out labelled
// source data. `record`, when given, is what the estimate goes by instead of the latter.
Candidate Score(const Predictions& target, const absl::optional<Predictions>& source,
                const absl::optional<SourceRecord>& record);

struct OtherModels {
  std::vector<Candidate> methods;    // adapted by other methods
  absl::optional<Candidate> linear;  // a linear classifier, which has nothing of the checkpoint
};

// The classes that other models say of the target's samples.
struct Peers {
  at::Tensor methods;  // int64 [P, N]; undefined: there are none
  at::Tensor linear;   // int64 [N]; undefined: there is none

  bool any() const { return methods.defined() || linear.defined(); }
  // int64 [V, N], the linear classifier as often as half of the methods: a third of the say.
  at::Tensor Votes() const;
};

// Without those that cannot win beside the source model's forms, and without a linear classifier
// with which the methods agree more than four points less than with one of these: it knows the
// target less than that form.
Peers PeersAmong(const std::vector<Candidate>& forms, const OtherModels& others);

// What peers tell of the candidate: the score "peer_agreement" and a cap on its estimate
// (CappedByPeers), by their votes; the estimate "linear" is what that classifier alone tells. Of
// one without predictions, as of no peers, nothing.
void HearPeers(const Peers& peers, Candidate& candidate);

// The ensemble: for each candidate the mean, over the validators in kEnsemble of the .cc file that
// every candidate has, of the share of the others that it beats (a tie counts half). In [0, 1]. -1
// for what cannot win: a candidate that has collapsed, using fewer than half as many classes as the
// one that uses most, or that forgot the source (rule 2 below).
std::vector<double> EnsembleScores(const std::vector<Candidate>& candidates);

struct Choice {
  size_t best = 0;     // the candidate to return
  size_t adapted = 0;  // the best adapted one
  size_t source = 0;   // the best form of the source model
  bool held = true;    // the guard: the adapted one may be returned
  std::string reason;  // in words
};

// candidates: at least one form of the source and one adapted. `last`: the adapted one with the
// highest step instead of the ensemble's. `guard`: the adapted one is returned only if it
//   1. has not collapsed,
//   2. with source data: still has most of the held-out source right,
//   3. without, but with the `record` of the source model: is not much surer of the target than the
//      source model was right on its own domain,
//   4. with a linear classifier: has it agree about as often as with either form of the source,
//   and, unless there are peers and every validator of the ensemble but they prefers it,
//   5. with peers: has them agree about as often as with either form of the source,
//   6. beats the best form of the source in half of the ensemble's validators or more, and
//   7. has an estimated accuracy not more than kMargin below it.
Choice Choose(const std::vector<Candidate>& candidates, bool last, bool guard,
              const absl::optional<SourceRecord>& record = absl::nullopt);

// False where the source model has clearly more of the held-out source right with the target's
// batch-norm statistics than with its own: those describe not even its own domain, and what was
// recorded of it there is no measure of its weights.
bool StatisticsFitOwnDomain(const std::vector<Candidate>& candidates);

nlohmann::json ToJson(const Candidate& candidate);

// For a task's state.
at::Tensor ToTensor(const Candidate& candidate);
absl::StatusOr<Candidate> CandidateFrom(const at::Tensor& tensor);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_CANDIDATE_H_
