#include "core/selection/selecting_task.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/train/bookmark.h"
#include "core/train/tensor_maps.h"

namespace acclimate::selection {
namespace {

using train::Bookmark;
using train::Changed;
using train::Copies;
using train::TensorMap;

constexpr char kInner[] = "inner/";
constexpr char kSteps[] = "steps";
constexpr char kCandidates[] = "candidates/";
constexpr char kTeacher[] = "witnesses/teacher";
constexpr char kHomeAccuracy[] = "witnesses/home_accuracy";
constexpr char kSnapshots[] = "snapshots/";
constexpr char kModel[] = "model/";
constexpr char kTask[] = "task/";
constexpr char kKept[] = "kept";  // a snapshot is here, even one without tensors
// The ensemble of the end may prefer a candidate that was not among so many leading ones when it
// was last asked; the best of those that are left is then taken.
constexpr size_t kMostSnapshots = 3;
// Below it an adaptation has changed more than it kept.
constexpr double kLeastAgreement = 0.5;
constexpr int64_t kFewestMoments = 2;

// In forward passes of one sample: an update costs about three.
double CostOf(const train::Plan& plan) {
  return 3.0 * static_cast<double>(plan.total_steps) *
         static_cast<double>(plan.source_batch_size + plan.target_batch_size);
}

// False where one comes from a state that had no predictions yet.
bool BothPredict(const Candidate& a, const Candidate& b) {
  return a.predicted.defined() && b.predicted.defined();
}

// On the target's samples; 1 where nothing is known.
double Agreement(const Candidate& a, const Candidate& b) {
  return BothPredict(a, b) ? selection::Agreement(a.predicted, b.predicted) : 1;
}

int64_t LabelsAsked(const Candidate& candidate) {
  return candidate.right.defined() ? candidate.right.numel() : 0;
}

// Of a finished model, whose batch-norm statistics take a pass over the target.
double CostOfLook(const model::Model& model, double sight, double target) {
  return model.batch_norm_layers().empty() ? sight : sight + target;
}

}  // namespace

SelectingTask::SelectingTask(std::unique_ptr<train::Task> inner, const SelectionSetting& setting,
                             SelectionOptions options)
    : inner_(std::move(inner)),
      setting_(setting),
      options_(std::move(options)),
      source_(Copies(setting.model.StateDict())),
      record_(ReadRecord(setting.model.metadata())) {
  SetWitnesses({});
}

void SelectingTask::SetWitnesses(Witnesses witnesses) {
  witnesses_ = std::move(witnesses);
  witnesses_.record = record_;
  witnesses_.target_samples = setting_.target.size();
}

absl::Status SelectingTask::BeforeStep(int64_t step, train::StopSignal& stop) {
  if (absl::Status status = ExamineSource(stop); !status.ok()) return status;
  if (std::binary_search(options_.moments.begin(), options_.moments.end(), step)) {
    if (absl::Status status = TakeCandidate(step, stop); !status.ok()) return status;
  }
  return inner_->BeforeStep(step, stop);
}

absl::Status SelectingTask::BeginEpoch(int64_t epoch, train::StopSignal& stop) {
  return inner_->BeginEpoch(epoch, stop);
}

absl::StatusOr<train::StepOutput> SelectingTask::Step(const train::StepInput& input,
                                                      train::StopSignal& stop) {
  return inner_->Step(input, stop);
}

int SelectingTask::KindOf(int64_t step) const { return inner_->KindOf(step); }

void SelectingTask::AfterStep(int64_t steps_done) {
  steps_ = steps_done;
  inner_->AfterStep(steps_done);
}

// Both forms and the witnesses, or none: what is found is kept only at the end.
absl::Status SelectingTask::ExamineSource(train::StopSignal& stop) {
  if (!candidates_.empty()) return absl::OkStatus();
  absl::StatusOr<Sight> seen = setting_.examiner->See(setting_.model, stop);
  if (!seen.ok()) return seen.status();
  std::vector<Candidate> found = {Score(*seen, record_, Form::kSource)};
  if (chooses() && !setting_.model.batch_norm_layers().empty()) {
    absl::StatusOr<Candidate> with_statistics = ExamineSourceStatistics(stop);
    if (!with_statistics.ok()) return with_statistics.status();
    found.push_back(*std::move(with_statistics));
  }
  if (chooses() && setting_.ask_witnesses != nullptr) {
    absl::StatusOr<Witnesses> witnesses = setting_.ask_witnesses(stop);
    if (!witnesses.ok()) return witnesses.status();
    SetWitnesses(*std::move(witnesses));
  }
  candidates_ = std::move(found);
  if (setting_.sights != nullptr) setting_.sights->source = *std::move(seen);
  return absl::OkStatus();
}

absl::StatusOr<Candidate> SelectingTask::ExamineSourceStatistics(train::StopSignal& stop) {
  const absl::Status taken = setting_.take_statistics(
      setting_.model, setting_.examiner->target_sample(), setting_.device, stop);
  absl::StatusOr<Candidate> candidate =
      taken.ok()
          ? setting_.examiner->Examine(setting_.model, record_, Form::kSourceStatistics, stop)
          : absl::StatusOr<Candidate>(taken);
  absl::Status status = setting_.model.LoadStateDict(source_);
  if (!status.ok()) return status;
  return candidate;
}

absl::Status SelectingTask::TakeCandidate(int64_t step, train::StopSignal& stop) {
  if (candidates_.back().form == Form::kAdapted && candidates_.back().step >= step) {
    return absl::OkStatus();
  }
  const Bookmark bookmark(setting_.model, *inner_, setting_.device);
  absl::StatusOr<Candidate> candidate =
      setting_.examiner->ExamineAhead(*inner_, setting_.model, record_, stop);
  if (absl::Status status = bookmark.Return(); !status.ok()) return status;
  if (!candidate.ok()) return candidate.status();
  Keep(*std::move(candidate), step, {Changed(source_, bookmark.model()), bookmark.task()});
  return absl::OkStatus();
}

void SelectingTask::Keep(Candidate candidate, int64_t step, Snapshot snapshot) {
  candidate.step = step;
  candidates_.push_back(std::move(candidate));
  snapshots_[step] = std::move(snapshot);
  KeepLeadingSnapshots();
  chosen_.reset();
}

void SelectingTask::KeepLeadingSnapshots() {
  const std::vector<double> scores = EnsembleScores(candidates_);
  while (snapshots_.size() > kMostSnapshots) {
    size_t worst = candidates_.size();
    for (size_t i = 0; i < candidates_.size(); ++i) {
      const Candidate& c = candidates_[i];
      if (c.form != Form::kAdapted || snapshots_.count(c.step) == 0) continue;
      if (!options_.ensemble && i + 1 != candidates_.size()) {
        worst = i;
        break;
      }
      if (worst == candidates_.size() || scores[i] < scores[worst]) worst = i;
    }
    snapshots_.erase(candidates_[worst].step);
  }
}

// Among the forms of the source and the candidates whose weights are still there.
const Choice& SelectingTask::Chosen() const {
  if (chosen_) return *chosen_;
  std::vector<Candidate> left;
  std::vector<size_t> places;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (candidates_[i].form == Form::kAdapted && snapshots_.count(candidates_[i].step) == 0) {
      continue;
    }
    left.push_back(candidates_[i]);
    places.push_back(i);
  }
  Choice choice = Choose(left, witnesses_, !options_.ensemble, options_.guard);
  choice.best = places[choice.best];
  choice.adapted = places[choice.adapted];
  choice.source = places[choice.source];
  chosen_ = std::move(choice);
  return *chosen_;
}

absl::Status SelectingTask::Finish(train::StopSignal& stop) {
  if (absl::Status status = ExamineSource(stop); !status.ok()) return status;
  if (!chooses()) return FinishLast(stop);
  if (absl::Status status = TakeCandidate(steps_, stop); !status.ok()) return status;
  const Candidate& best = candidates_[Chosen().best];
  if (best.form != Form::kAdapted) {
    return ReturnToSource(best.form == Form::kSourceStatistics, stop);
  }
  if (absl::Status status = ReturnTo(best.step); !status.ok()) return status;
  EraseRecord(setting_.model.metadata());
  return inner_->Finish(stop);
}

absl::Status SelectingTask::FinishLast(train::StopSignal& stop) {
  if (absl::Status status = inner_->Finish(stop); !status.ok()) return status;
  model::Model& adapted = inner_->own_model() ? *inner_->own_model() : setting_.model;
  absl::StatusOr<Sight> seen = setting_.examiner->See(adapted, stop);
  if (!seen.ok()) return seen.status();
  Keep(Score(*seen, record_, Form::kAdapted), steps_, Snapshot());
  if (setting_.sights != nullptr) setting_.sights->returned = *std::move(seen);
  EraseRecord(setting_.model.metadata());
  return absl::OkStatus();
}

absl::Status SelectingTask::ReturnTo(int64_t step) {
  const Snapshot& snapshot = snapshots_.at(step);
  TensorMap tensors = source_;
  for (const auto& [name, tensor] : snapshot.model) tensors[name] = tensor;
  absl::Status status = setting_.model.LoadStateDict(tensors);
  status.Update(inner_->Restore(snapshot.task));
  return status;
}

absl::Status SelectingTask::ReturnToSource(bool target_statistics, train::StopSignal& stop) {
  absl::Status status = setting_.model.LoadStateDict(source_);
  if (!status.ok() || !target_statistics) return status;
  EraseRecord(setting_.model.metadata());
  return setting_.take_statistics(setting_.model, setting_.target, setting_.device, stop);
}

std::unique_ptr<model::Model> SelectingTask::TakeModel() {
  return candidates_[Chosen().best].form == Form::kAdapted ? inner_->TakeModel() : nullptr;
}

TensorMap SelectingTask::State() const {
  train::TrainingState state;
  state.Add(kInner, inner_->State());
  state.tensors[kSteps] = at::scalar_tensor(steps_, at::kLong);
  for (size_t i = 0; i < candidates_.size(); ++i) {
    state.Add(absl::StrCat(kCandidates, i, "/"), ToTensors(candidates_[i]));
  }
  if (witnesses_.teacher.defined()) {
    state.tensors[kTeacher] = witnesses_.teacher;
    state.tensors[kHomeAccuracy] = at::scalar_tensor(witnesses_.home_accuracy, at::kDouble);
  }
  for (const auto& [step, snapshot] : snapshots_) {
    const std::string prefix = absl::StrCat(kSnapshots, step, "/");
    state.Add(absl::StrCat(prefix, kModel), snapshot.model);
    state.Add(absl::StrCat(prefix, kTask), snapshot.task);
    state.tensors[absl::StrCat(prefix, kKept)] = at::scalar_tensor(1, at::kLong);
  }
  return state.tensors;
}

absl::Status SelectingTask::Restore(const TensorMap& state) {
  const train::TrainingState whole{state, {}};
  if (absl::Status status = inner_->Restore(whole.Part(kInner)); !status.ok()) return status;
  const auto steps = state.find(kSteps);
  if (steps == state.end()) return absl::InvalidArgumentError("training state: no steps");
  steps_ = steps->second.item<int64_t>();
  const auto copy = [&state](const char* name) {
    const auto it = state.find(name);
    return it == state.end() ? at::Tensor() : it->second.to(at::kCPU).clone();
  };
  const at::Tensor home_accuracy = copy(kHomeAccuracy);
  SetWitnesses({copy(kTeacher), home_accuracy.defined() ? home_accuracy.item<double>() : 0.0,
                absl::nullopt});
  candidates_.clear();
  snapshots_.clear();
  chosen_.reset();
  for (size_t i = 0;; ++i) {
    const TensorMap tensors = whole.Part(absl::StrCat(kCandidates, i, "/"));
    if (tensors.empty()) break;
    absl::StatusOr<Candidate> candidate = CandidateFrom(tensors);
    if (!candidate.ok()) return candidate.status();
    if (candidate->predicted.defined() &&
        candidate->predicted.numel() != setting_.examiner->target_sample().size()) {
      return absl::InvalidArgumentError("training state: a candidate saw other samples");
    }
    if (LabelsAsked(*candidate) != setting_.examiner->guard_labels()) {
      return absl::InvalidArgumentError("training state: a candidate was asked for other labels");
    }
    const std::string prefix = absl::StrCat(kSnapshots, candidate->step, "/");
    if (state.count(absl::StrCat(prefix, kKept)) > 0) {
      snapshots_[candidate->step] = {Copies(whole.Part(absl::StrCat(prefix, kModel))),
                                     Copies(whole.Part(absl::StrCat(prefix, kTask)))};
    }
    candidates_.push_back(*std::move(candidate));
  }
  return absl::OkStatus();
}

void SelectingTask::Report(nlohmann::json& report) const {
  inner_->Report(report);
  const Choice& choice = Chosen();
  nlohmann::json candidates = nlohmann::json::array(), rules = nlohmann::json::array();
  const std::vector<double> scores = EnsembleScores(candidates_),
                            agreement = EnsembleAgreement(candidates_);
  for (size_t i = 0; i < candidates_.size(); ++i) {
    candidates.push_back(ToJson(candidates_[i]));
    candidates.back()["scores"]["ensemble_agreement"] = agreement[i];
    // Null: it collapsed.
    candidates.back()["ensemble"] =
        scores[i] == kCannotWin ? nlohmann::json() : nlohmann::json(scores[i]);
  }
  for (const Verdict& verdict : choice.verdicts) {
    rules.push_back({{"rule", verdict.rule}, {"holds", verdict.holds}, {"says", verdict.says}});
  }
  report["selection"] = {
      {"candidates", std::move(candidates)},
      {"chosen", candidates_[choice.best].Name()},
      {"guard",
       {{"on", options_.guard},
        {"held", choice.held},
        {"adapted", candidates_[choice.adapted].Name()},
        {"source", candidates_[choice.source].Name()},
        {"agreement", Agreement(candidates_[choice.source], candidates_[choice.adapted])},
        {"rules", std::move(rules)},
        {"reason", choice.reason}}}};
}

std::vector<std::string> SelectingTask::Warnings() const {
  std::vector<std::string> warnings = inner_->Warnings();
  const Choice& choice = Chosen();
  const double agreed = Agreement(candidates_[choice.source], candidates_[choice.best]);
  if (agreed < kLeastAgreement && !LabelsDecide(candidates_[choice.adapted])) {
    warnings.push_back(absl::StrFormat(
        "the adapted model agrees with the source model on only %.0f %% of the target's samples; "
        "without labels nothing tells a large gain from a large loss: look at some of them",
        100 * agreed));
  }
  if (choice.held) return warnings;
  warnings.push_back(
      absl::StrCat(options_.guard ? "the source model is returned" : "the guard is off",
                   options_.guard && candidates_[choice.best].form == Form::kSourceStatistics
                       ? " with the target's batch-norm statistics"
                       : "",
                   ": the adapted model (", candidates_[choice.adapted].Name(),
                   ") does not hold against it: ", choice.reason));
  return warnings;
}

std::map<std::string, double> SelectingTask::Metrics() const {
  std::map<std::string, double> metrics = inner_->Metrics();
  metrics.merge(EstimateMetrics(candidates_.front().estimate, candidates_[Chosen().best].estimate));
  return metrics;
}

int64_t SamplesOfLooks(const train::Plan& plan, const model::Model& model, size_t source_domains) {
  const double sight = 1.0 + static_cast<double>(source_domains);
  const double look = CostOfLook(model, sight, 1.0);
  // The source model, again with the target's statistics, the fewest moments, and the end.
  const double source = model.batch_norm_layers().empty() ? sight : sight + look;
  const double looks = source + static_cast<double>(kFewestMoments + 1) * look;
  const auto samples = static_cast<int64_t>(kMostShareOfRun * CostOf(plan) / looks);
  return std::clamp(samples, kLeastSamples, Examiner::kSamples);
}

std::vector<int64_t> Moments(const train::Plan& plan, const model::Model& model,
                             const Examiner& examiner) {
  const double run = CostOf(plan);
  const double sight = static_cast<double>(examiner.samples());
  const double look =
      CostOfLook(model, sight, static_cast<double>(examiner.target_sample().size()));
  const double source_and_end = sight + 2.0 * look;
  // Passes have no weights of their own between two of their steps.
  if (plan.groups.empty()) return {};
  const int64_t affordable = static_cast<int64_t>((kShareOfRun * run - source_and_end) / look);
  const int64_t count =
      std::min(std::clamp<int64_t>(affordable, kFewestMoments, kMostMoments), plan.total_steps - 1);
  std::vector<int64_t> moments;
  for (int64_t i = 1; i <= count; ++i) {
    moments.push_back(plan.total_steps * i / (count + 1));
  }
  return moments;
}

}  // namespace acclimate::selection
