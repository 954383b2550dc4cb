#include "core/selection/candidate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/selection/clusters.h"
#include "core/selection/confidence.h"
#include "core/selection/domain_weights.h"
#include "core/selection/neighborhood_density.h"

namespace acclimate::selection {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kCannotWin = -1.0;
constexpr double kLeastShareOfClasses = 0.5;
constexpr double kMargin = 0.01;
constexpr double kLeastShareOfSourceAccuracy = 0.85;
constexpr double kPeerMargin = 0.03;
constexpr double kClearly = 0.1;
// By so much networks from one checkpoint agree more with each other than their accuracy explains.
constexpr double kSharedMistakes = 0.04;
// A classifier that was right on h of its own domain is sure of about h of another at best.
constexpr double kMostAboveOwnDomain = 0.1;
constexpr int64_t kNeighbours = 10;

enum Validator : size_t {
  kEntropy,
  kInformation,
  kNuclearNorm,
  kDensity,
  kClassAmi,
  kSilhouette,
  kDev,
  kNearestSource,
  kSourceAccuracy,
  kPeerAgreement,
  kValidators,
};

// One view each: diverse and sure, dense, clustered as predicted, still right on the source, and
// what other methods say. Measured in docs/selection.md.
constexpr Validator kEnsemble[] = {kNuclearNorm, kDensity, kClassAmi, kSourceAccuracy,
                                   kPeerAgreement};

// The estimators, in the order in which a state holds them.
constexpr char kLinear[] = "linear";
constexpr const char* kEstimators[] = {"agreement", "atc", "confidence", "doc", "peers", kLinear};

void ScoreAgainstSource(const Predictions& target, const Predictions& source,
                        std::vector<double>& scores) {
  const at::Tensor wrong = source.logits.argmax(1).ne(source.labels).to(at::kDouble);
  scores[kSourceAccuracy] = 1.0 - wrong.mean().item<double>();
  scores[kDev] = DeepEmbeddedValidation(DensityRatios(source.features, target.features), wrong);
  scores[kNearestSource] =
      NearestSource(source.features, source.labels, target.features, target.logits);
}

std::string Percent(double share) { return absl::StrFormat("%.1f %%", 100 * share); }

bool Has(const std::vector<Candidate>& candidates, Validator validator) {
  return std::all_of(candidates.begin(), candidates.end(), [validator](const Candidate& c) {
    return std::isfinite(c.scores[validator]);
  });
}

std::vector<Validator> UsableValidators(const std::vector<Candidate>& candidates) {
  std::vector<Validator> usable;
  for (const Validator validator : kEnsemble) {
    if (Has(candidates, validator)) usable.push_back(validator);
  }
  return usable;
}

// Scores that differ by rounding alone are equal: which of them is larger hangs on the processor
// and the release of LibTorch.
int Compare(double a, double b) {
  constexpr double kRounding = 1e-5;  // relative; some scores are computed in single precision
  if (a == b || std::abs(a - b) <= kRounding * std::max({1.0, std::abs(a), std::abs(b)})) return 0;
  return a > b ? 1 : -1;
}

double ShareBeaten(const std::vector<Candidate>& candidates, size_t index, Validator validator) {
  double beaten = 0;
  const double own = candidates[index].scores[validator];
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i == index) continue;
    const double other = candidates[i].scores[validator];
    beaten += 0.5 * (Compare(own, other) + 1);
  }
  return beaten / static_cast<double>(std::max<size_t>(candidates.size() - 1, 1));
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

size_t LastAdapted(const std::vector<Candidate>& candidates) {
  size_t last = candidates.size();
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].form != Form::kAdapted) continue;
    if (last == candidates.size() || candidates[i].step >= candidates[last].step) last = i;
  }
  return last;
}

// Of the forms of the source model on the held-out source; NaN without one.
double LeastSourceAccuracy(const std::vector<Candidate>& candidates) {
  double least = kNone;
  for (const Candidate& c : candidates) {
    if (c.form != Form::kAdapted) least = std::fmin(least, c.scores[kSourceAccuracy]);
  }
  return least;
}

double PeerAgreement(const Candidate& candidate) { return candidate.scores[kPeerAgreement]; }

double LinearAgreement(const Candidate& candidate) {
  const auto it = candidate.estimate.by_estimator.find(kLinear);
  return it == candidate.estimate.by_estimator.end() ? kNone : it->second;
}

// In words, where `agreement` with the adapted model is clearly less than with either form of the
// source; else empty, as without peers.
std::string Disagreement(const std::vector<Candidate>& candidates, const Candidate& adapted,
                         double (*agreement)(const Candidate&), const char* who) {
  double most = kNone;
  for (const Candidate& c : candidates) {
    if (c.form != Form::kAdapted) most = std::fmax(most, agreement(c));
  }
  if (!(agreement(adapted) < most - kPeerMargin)) return "";
  return absl::StrCat(who, " with it on only ", Percent(agreement(adapted)),
                      ", with the source model on ", Percent(most));
}

double MostClassesInUse(const std::vector<Candidate>& candidates) {
  double most = 0;
  for (const Candidate& c : candidates) most = std::max(most, c.classes_in_use);
  return most;
}

bool Collapsed(const Candidate& candidate, double most_classes) {
  return candidate.classes_in_use < kLeastShareOfClasses * most_classes;
}

// False for NaN: nothing is known without a source.
bool Forgot(const Candidate& candidate, double least_source_accuracy) {
  return candidate.scores[kSourceAccuracy] < kLeastShareOfSourceAccuracy * least_source_accuracy;
}

bool CanWin(const Candidate& candidate, double most_classes, double least_source_accuracy) {
  return !Collapsed(candidate, most_classes) && !Forgot(candidate, least_source_accuracy);
}

// By each of `usable` but the peers, which must be among them. Those have run for an eighth of a
// plan, and may still be close to the form of the source that they started from.
bool PreferredByAllButPeers(const Candidate& adapted, const Candidate& source,
                            const std::vector<Validator>& usable) {
  bool peers = false;
  for (const Validator validator : usable) {
    peers |= validator == kPeerAgreement;
    if (validator == kPeerAgreement) continue;
    if (!(adapted.scores[validator] > source.scores[validator])) return false;
  }
  return peers;
}

void Guard(const std::vector<Candidate>& candidates, const absl::optional<SourceRecord>& record,
           Choice& choice) {
  const Candidate& adapted = candidates[choice.adapted];
  const Candidate& source = candidates[choice.source];
  const std::string estimates = absl::StrCat("estimated accuracy ", Percent(adapted.estimate.value),
                                             " against ", Percent(source.estimate.value));
  if (Collapsed(adapted, MostClassesInUse(candidates))) {
    choice.held = false;
    choice.reason =
        absl::StrFormat("its predictions collapsed onto %.1f classes", adapted.classes_in_use);
    return;
  }
  if (Forgot(adapted, LeastSourceAccuracy(candidates))) {
    choice.held = false;
    choice.reason = absl::StrCat("of the held-out source it has only ",
                                 Percent(adapted.scores[kSourceAccuracy]), " right");
    return;
  }
  if (record && std::isnan(adapted.scores[kSourceAccuracy]) &&
      adapted.estimate.value > record->accuracy + kMostAboveOwnDomain) {
    choice.held = false;
    choice.reason = absl::StrCat("it is sure of ", Percent(adapted.estimate.value),
                                 " of the target, where the source model had ",
                                 Percent(record->accuracy), " of its own domain right");
    return;
  }
  choice.reason = Disagreement(candidates, adapted, LinearAgreement, "a linear classifier agrees");
  if (!choice.reason.empty()) {
    choice.held = false;
    return;
  }
  const std::vector<Validator> usable = UsableValidators(candidates);
  if (PreferredByAllButPeers(adapted, source, usable)) {
    choice.held = true;
    choice.reason = absl::StrCat(
        "every label-free validator but the peers prefers it to the source model, ", estimates);
    return;
  }
  choice.reason = Disagreement(candidates, adapted, PeerAgreement, "other methods agree");
  if (!choice.reason.empty()) {
    choice.held = false;
    return;
  }
  double wins = 0;
  for (const Validator validator : usable) {
    const double own = adapted.scores[validator], other = source.scores[validator];
    wins += own > other ? 1.0 : own == other ? 0.5 : 0.0;
  }
  choice.held = 2 * wins >= static_cast<double>(usable.size()) &&
                adapted.estimate.value >= source.estimate.value - kMargin;
  choice.reason = absl::StrCat("it is better than the source model in ", wins, " of ",
                               usable.size(), " label-free validators, ", estimates);
}

}  // namespace

std::string Candidate::Name() const {
  if (form == Form::kSource) return "source";
  if (form == Form::kSourceStatistics) return "source_with_target_statistics";
  return absl::StrCat("step_", step);
}

const std::vector<std::string>& ValidatorNames() {
  static const auto* const kNames = new std::vector<std::string>{
      "entropy",    "information", "nuclear_norm",   "neighborhood_density", "class_ami",
      "silhouette", "dev",         "nearest_source", "source_accuracy",      "peer_agreement"};
  return *kNames;
}

Candidate Score(const Predictions& target, const absl::optional<Predictions>& source,
                const absl::optional<SourceRecord>& record) {
  const at::NoGradGuard no_grad;
  Candidate candidate;
  candidate.scores.assign(kValidators, kNone);
  candidate.scores[kEntropy] = NegativeEntropy(target.logits);
  candidate.scores[kInformation] = MutualInformation(target.logits);
  candidate.scores[kNuclearNorm] = NuclearNorm(target.logits);
  candidate.scores[kDensity] = NeighborhoodDensity(target.logits);
  candidate.scores[kClassAmi] = ClassAmi(target.features, target.logits);
  candidate.scores[kSilhouette] = Silhouette(target.features, target.logits);
  if (source) ScoreAgainstSource(target, *source, candidate.scores);
  candidate.classes_in_use = ClassesInUse(target.logits);
  candidate.predicted = target.logits.argmax(1).to(at::kCPU);
  const int64_t classes = target.logits.size(1);
  const at::Tensor neighbours =
      source ? NearestNeighbours(source->features, source->labels, target.features, classes,
                                 kNeighbours)
             : NearestNeighboursOfOthers(target.features, target.logits.argmax(1), classes,
                                         kNeighbours);
  candidate.estimate =
      EstimateAccuracy(target.logits, neighbours, source && !record ? Measure(*source) : record);
  return candidate;
}

at::Tensor Peers::Votes() const {
  if (!linear.defined()) return methods;
  const int64_t count = methods.defined() ? methods.size(0) : 0;
  const at::Tensor repeated =
      linear.unsqueeze(0).expand({std::max<int64_t>(count / 2, 1), linear.size(0)});
  return count == 0 ? repeated : at::cat({methods, repeated});
}

Peers PeersAmong(const std::vector<Candidate>& forms, const OtherModels& others) {
  double most_classes = std::max(MostClassesInUse(forms), MostClassesInUse(others.methods));
  if (others.linear) most_classes = std::max(most_classes, others.linear->classes_in_use);
  const double least_source_accuracy = LeastSourceAccuracy(forms);
  const auto can_win = [&](const Candidate& other) {
    return other.predicted.defined() && CanWin(other, most_classes, least_source_accuracy);
  };
  Peers peers;
  std::vector<at::Tensor> predicted;
  for (const Candidate& other : others.methods) {
    if (can_win(other)) predicted.push_back(other.predicted);
  }
  if (!predicted.empty()) peers.methods = at::stack(predicted);
  if (others.linear && can_win(*others.linear)) peers.linear = others.linear->predicted;
  if (!peers.methods.defined() || !peers.linear.defined()) return peers;
  double with_source = 0;
  for (const Candidate& form : forms) {
    if (!form.predicted.defined()) continue;
    with_source = std::max(with_source, Agreement(peers.methods, form.predicted));
  }
  const double with_linear = Agreement(peers.methods, peers.linear);
  if (with_linear < with_source - kSharedMistakes) peers.linear = at::Tensor();
  return peers;
}

void HearPeers(const Peers& peers, Candidate& candidate) {
  if (!peers.any() || !candidate.predicted.defined()) return;
  candidate.estimate = CappedByPeers(candidate.estimate, candidate.predicted, peers.Votes());
  candidate.scores[kPeerAgreement] = candidate.estimate.by_estimator["peers"];
  if (!peers.linear.defined()) return;
  candidate.estimate.by_estimator[kLinear] = Agreement(peers.linear, candidate.predicted);
}

std::vector<double> EnsembleScores(const std::vector<Candidate>& candidates) {
  const std::vector<Validator> usable = UsableValidators(candidates);
  const double most_classes = MostClassesInUse(candidates);
  const double least_source_accuracy = LeastSourceAccuracy(candidates);
  std::vector<double> scores(candidates.size(), 0.0);
  for (size_t i = 0; i < candidates.size(); ++i) {
    for (const Validator validator : usable) {
      scores[i] += ShareBeaten(candidates, i, validator) / static_cast<double>(usable.size());
    }
    if (!CanWin(candidates[i], most_classes, least_source_accuracy)) scores[i] = kCannotWin;
  }
  return scores;
}

Choice Choose(const std::vector<Candidate>& candidates, bool last, bool guard,
              const absl::optional<SourceRecord>& record) {
  const std::vector<double> scores = EnsembleScores(candidates);
  Choice choice;
  choice.adapted = last ? LastAdapted(candidates) : BestOf(candidates, scores, true);
  choice.source = BestOf(candidates, scores, false);
  Guard(candidates, record, choice);
  choice.best = choice.held || !guard ? choice.adapted : choice.source;
  return choice;
}

bool StatisticsFitOwnDomain(const std::vector<Candidate>& candidates) {
  double own = kNone, targets = kNone;
  for (const Candidate& c : candidates) {
    if (c.form == Form::kSource) own = c.scores[kSourceAccuracy];
    if (c.form == Form::kSourceStatistics) targets = c.scores[kSourceAccuracy];
  }
  return !(targets > own + kClearly);
}

nlohmann::json ToJson(const Candidate& candidate) {
  nlohmann::json scores = nlohmann::json::object();
  for (size_t i = 0; i < kValidators; ++i) {
    if (std::isfinite(candidate.scores[i])) scores[ValidatorNames()[i]] = candidate.scores[i];
  }
  return {{"name", candidate.Name()},
          {"step", candidate.step},
          {"scores", std::move(scores)},
          {"classes_in_use", candidate.classes_in_use},
          {"estimated_accuracy", candidate.estimate.value},
          {"interval", {candidate.estimate.low, candidate.estimate.high}},
          {"estimates", candidate.estimate.by_estimator}};
}

at::Tensor ToTensor(const Candidate& candidate) {
  std::vector<double> values = {static_cast<double>(candidate.form),
                                static_cast<double>(candidate.step),
                                candidate.classes_in_use,
                                candidate.estimate.value,
                                candidate.estimate.low,
                                candidate.estimate.high};
  for (const char* name : kEstimators) {
    const auto it = candidate.estimate.by_estimator.find(name);
    values.push_back(it == candidate.estimate.by_estimator.end() ? kNone : it->second);
  }
  values.insert(values.end(), candidate.scores.begin(), candidate.scores.end());
  at::Tensor numbers = at::tensor(values, at::kDouble);
  if (!candidate.predicted.defined()) return numbers;
  return at::cat({numbers, candidate.predicted.to(at::kDouble)});
}

absl::StatusOr<Candidate> CandidateFrom(const at::Tensor& tensor) {
  constexpr int64_t kFixed = 6, kEstimatorCount = std::size(kEstimators);
  constexpr int64_t kNumbers = kFixed + kEstimatorCount + static_cast<int64_t>(kValidators);
  if (tensor.scalar_type() != at::kDouble || tensor.dim() != 1 || tensor.size(0) < kNumbers) {
    return absl::InvalidArgumentError("training state: a candidate is misshapen");
  }
  const at::Tensor contiguous = tensor.contiguous();
  const double* const values = contiguous.data_ptr<double>();
  Candidate candidate;
  candidate.form = values[0] == 0   ? Form::kSource
                   : values[0] == 1 ? Form::kSourceStatistics
                                    : Form::kAdapted;
  candidate.step = static_cast<int64_t>(values[1]);
  candidate.classes_in_use = values[2];
  candidate.estimate.value = values[3];
  candidate.estimate.low = values[4];
  candidate.estimate.high = values[5];
  for (int64_t i = 0; i < kEstimatorCount; ++i) {
    const double value = values[kFixed + i];
    if (std::isfinite(value)) candidate.estimate.by_estimator[kEstimators[i]] = value;
  }
  const double* const scores = values + kFixed + kEstimatorCount;
  candidate.scores.assign(scores, scores + kValidators);
  if (tensor.size(0) > kNumbers) candidate.predicted = tensor.slice(0, kNumbers).to(at::kLong);
  return candidate;
}

}  // namespace acclimate::selection
