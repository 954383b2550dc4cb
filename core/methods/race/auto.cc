// Automatic choice: methods race, label-free validators judge, the guard has the last word.
#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/methods/linear_peer.h"
#include "core/methods/method.h"
#include "core/methods/race/race.h"
#include "core/methods/race/race_diagnosis.h"
#include "core/methods/race/racer.h"
#include "core/methods/race/standings.h"
#include "core/methods/registry.h"
#include "core/methods/selection.h"
#include "core/train/trainer.h"

namespace acclimate::methods {
namespace {

using selection::Candidate;

// Who may race, in this order: different ideas rather than variants of one. Methods that only
// replace batch-norm statistics need no place: that form of the source is always a candidate.
constexpr const char* kAutoMethods[] = {"shot", "tent",       "dann",       "cdan",
                                        "mcc",  "deep_coral", "label_shift"};

constexpr char kStateOfRacer[] = "racers/";
constexpr char kDiagnosis[] = "diagnosis/";
constexpr char kAlive[] = "race/alive";
constexpr char kFailed[] = "race/failed";
constexpr char kRounds[] = "race/rounds/";

struct Dropped {
  std::string name, reason;
};

constexpr int64_t kDiagnosisSteps = 1;

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

class AutoTask : public train::Task {
 public:
  AutoTask(const MethodContext& context, std::vector<Dropped> dropped)
      : context_(context), dropped_(std::move(dropped)) {
    plan_.total_steps = kDiagnosisSteps;
    for (const model::Parameter& parameter : context.model.parameters()) {
      required_gradients_.push_back(parameter.tensor.requires_grad());
    }
  }

  // Before the first racer.
  absl::Status Prepare() {
    examiner_ = std::make_shared<const selection::Examiner>(context_.target, context_.held_out,
                                                            context_.device, context_.seed);
    absl::StatusOr<RaceDiagnosis> diagnosis = RaceDiagnosis::Create(context_);
    if (!diagnosis.ok()) return diagnosis.status();
    diagnosis_ = *std::move(diagnosis);
    return absl::OkStatus();
  }

  absl::Status AddRacer(const MethodEntry& entry) {
    absl::StatusOr<Racer> racer = MakeRacer(entry, context_, no_inputs_, examiner_, source_forms_);
    if (absl::IsInvalidArgument(racer.status())) {
      dropped_.push_back({entry.spec.name, std::string(racer.status().message())});
      return absl::OkStatus();
    }
    if (!racer.ok()) return racer.status();
    alive_.push_back(racers_.size());
    failed_.push_back(false);
    unfit_.push_back(false);
    racers_.push_back(*std::move(racer));
    rounds_ = RaceRounds(static_cast<int64_t>(racers_.size()));
    plan_.total_steps = kDiagnosisSteps + RaceSteps(rounds_);
    return absl::OkStatus();
  }

  const train::Plan& plan() const override { return plan_; }

  // The diagnosis; then one slice of one racer, at the end of a round also the judgement.
  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) override {
    train::StepOutput output;
    if (racers_.empty()) return output;
    if (input.step < kDiagnosisSteps) {
      if (absl::Status status = Diagnose(stop); !status.ok()) return status;
      MarkUnfit();
      return output;
    }
    const RacePlace place = PlaceOf(rounds_, input.step - kDiagnosisSteps);
    const size_t index = alive_[place.racer];
    if (Runs(index) && !TimeIsUp(place)) {
      absl::Status status = RunSlice(racers_[index], place, stop, output);
      // What the defaults of one method cannot train is no reason to give up the others.
      if (absl::IsInvalidArgument(status)) {
        failed_[index] = true;
      } else if (!status.ok()) {
        return status;
      }
    }
    if (place.round_ends && Runs(index)) {
      if (absl::Status status = TakeCandidate(racers_[index], stop, output); !status.ok()) {
        return status;
      }
    }
    if (place.round_ends && place.racer + 1 == alive_.size()) EndRound();
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override {
    if (!HasWinner()) return racers_.empty() ? absl::OkStatus() : EstimateSource(stop);
    Racer& winner = racers_[alive_[0]];
    if (absl::Status status = winner.task->Finish(stop); !status.ok()) return status;
    curves_ = winner.trainer->curves().points();
    return absl::OkStatus();
  }

  train::TensorMap State() const override {
    train::TrainingState state;
    if (diagnosis_) state.Add(kDiagnosis, diagnosis_->State());
    for (const size_t index : alive_) {
      state.Add(absl::StrCat(kStateOfRacer, index, "/"), racers_[index].trainer->State().tensors);
    }
    std::vector<int64_t> alive(alive_.begin(), alive_.end());
    std::vector<int64_t> failed(failed_.begin(), failed_.end());
    state.tensors[kAlive] = at::tensor(alive, at::kLong);
    state.tensors[kFailed] = at::tensor(failed, at::kLong);
    state.Add(kRounds, ToTensors(standings_));
    return state.tensors;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    const train::TrainingState whole{state, {}};
    const auto alive = state.find(kAlive), failed = state.find(kFailed);
    if (alive == state.end() || failed == state.end() ||
        failed->second.numel() != static_cast<int64_t>(racers_.size())) {
      return absl::InvalidArgumentError("training state: not of this race");
    }
    if (diagnosis_) {
      absl::Status status = diagnosis_->Restore(whole.Part(kDiagnosis));
      if (!status.ok()) return status;
      MarkUnfit();
    }
    alive_.clear();
    for (int64_t i = 0; i < alive->second.numel(); ++i) {
      alive_.push_back(static_cast<size_t>(alive->second[i].item<int64_t>()));
    }
    for (size_t i = 0; i < racers_.size(); ++i) {
      failed_[i] = failed->second[static_cast<int64_t>(i)].item<int64_t>() != 0;
    }
    absl::StatusOr<std::vector<std::vector<Standing>>> standings =
        StandingsFrom(whole.Part(kRounds));
    if (!standings.ok()) return standings.status();
    standings_ = *std::move(standings);
    for (const size_t index : alive_) {
      absl::Status status = racers_.at(index).trainer->Restore(
          {whole.Part(absl::StrCat(kStateOfRacer, index, "/")), {}});
      if (!status.ok()) return status;
    }
    ReleaseLosers();
    return absl::OkStatus();
  }

  std::unique_ptr<model::Model> TakeModel() override {
    if (!HasWinner()) return nullptr;
    // A copy: the race may yet be asked for its state.
    std::unique_ptr<model::Model> model = Winner().model->Clone();
    for (size_t i = 0; i < required_gradients_.size(); ++i) {
      model->parameters()[i].tensor.requires_grad_(required_gradients_[i]);
    }
    return model;
  }

  std::map<std::string, double> Metrics() const override {
    if (HasWinner()) return Winner().task->Metrics();
    return source_estimate_ ? selection::EstimateMetrics(*source_estimate_, *source_estimate_)
                            : std::map<std::string, double>();
  }

  std::vector<std::string> Warnings() const override {
    std::vector<std::string> warnings;
    if (HasWinner()) warnings = Winner().task->Warnings();
    for (size_t i = 0; i < racers_.size(); ++i) {
      if (failed_[i]) warnings.push_back(absl::StrCat(racers_[i].name, " diverged in the race"));
    }
    if (cut_short_) {
      warnings.push_back(
          absl::StrFormat("the time limit of %.0f s cut the race or its winner short",
                          context_.time_limit_seconds));
    }
    if (!HasWinner()) {
      warnings.push_back(absl::StrCat("the source model is returned: ", Why()));
    }
    return warnings;
  }

  void Report(nlohmann::json& report) const override {
    if (diagnosis_) diagnosis_->Report(report);
    if (HasWinner()) Winner().task->Report(report);
    nlohmann::json rounds = nlohmann::json::array();
    for (size_t r = 0; r < standings_.size(); ++r) rounds.push_back(RoundToJson(r));
    nlohmann::json dropped = nlohmann::json::array();
    for (const Dropped& one : dropped_) {
      dropped.push_back({{"method", one.name}, {"reason", one.reason}});
    }
    for (size_t i = 0; i < racers_.size(); ++i) {
      if (!unfit_[i]) continue;
      dropped.push_back(
          {{"method", racers_[i].name}, {"reason", diagnosis_->Obstacle(racers_[i].name)}});
    }
    report["race"] = {{"rounds", std::move(rounds)},
                      {"dropped", std::move(dropped)},
                      {"cut_short", cut_short_},
                      {"winner", HasWinner() ? nlohmann::json(Winner().name) : nlohmann::json()},
                      {"why", Why()}};
    for (const auto& [name, points] : curves_) {
      nlohmann::json& curve = report["curves"][name];
      curve = {{"step", nlohmann::json::array()}, {"value", nlohmann::json::array()}};
      for (const train::CurvePoint& point : points) {
        curve["step"].push_back(point.step);
        curve["value"].push_back(point.value);
      }
    }
  }

 private:
  bool Runs(size_t racer) const { return !failed_[racer] && !unfit_[racer]; }
  bool HasWinner() const { return !racers_.empty() && alive_.size() == 1 && Runs(alive_[0]); }
  const Racer& Winner() const { return racers_[alive_[0]]; }

  // So much of the time limit, where there is one, with `reserve` to come.
  bool IsOver(double share, Seconds reserve = Seconds(0)) const {
    const Seconds spent = Clock::now() - begin_ + reserve;
    return context_.time_limit_seconds > 0 && spent.count() > share * context_.time_limit_seconds;
  }

  // In a quarter of the time; what is not done by then is left, and all racers race.
  absl::Status Diagnose(train::StopSignal& stop) {
    bool out_of_time = false;
    train::StopSignal hurried([&] {
      if (!stop.Check().ok()) return stop.directive();
      out_of_time = IsOver(0.25);
      return out_of_time ? train::Directive::kCancel : train::Directive::kContinue;
    });
    absl::Status status = diagnosis_->Run(hurried);
    if (!out_of_time) return status;
    cut_short_ = true;
    return absl::OkStatus();
  }

  void MarkUnfit() {
    for (size_t i = 0; i < racers_.size(); ++i) {
      unfit_[i] = !diagnosis_->Obstacle(racers_[i].name).empty();
    }
  }

  // The race gets half of the time, the winner goes on to four fifths: the rest is for loading,
  // evaluating and saving, or more where looking at models is slow. A round that is cut short is
  // judged by what there is.
  bool TimeIsUp(const RacePlace& place) {
    // Those that are still to be looked at; and the winner is finished, evaluated and saved.
    const Seconds looks = slowest_look_ * static_cast<double>(alive_.size() + 3);
    const bool up = IsOver(place.round + 1 < rounds_.size() ? 0.5 : 0.8) || IsOver(0.9, looks);
    cut_short_ = cut_short_ || up;
    return up;
  }

  // Without a winner the source model is returned, and its estimate with it.
  absl::Status EstimateSource(train::StopSignal& stop) {
    absl::StatusOr<Candidate> source =
        examiner_->Examine(context_.model, selection::ReadRecord(context_.model.metadata()), stop);
    if (!source.ok()) return source.status();
    source_estimate_ = source->estimate;
    return absl::OkStatus();
  }

  absl::Status RunSlice(Racer& racer, const RacePlace& place, train::StopSignal& stop,
                        train::StepOutput& output) {
    const train::Plan& plan = racer.task->plan();
    const int64_t before = racer.trainer->step();
    const int64_t goal = StepsAfter(place.slice, plan.total_steps);
    absl::Status status = racer.trainer->RunTo(goal, stop);
    if (!status.ok()) return status;
    output.samples =
        (racer.trainer->step() - before) * (plan.source_batch_size + plan.target_batch_size);
    return absl::OkStatus();
  }

  // At the end of a round; one that had no time for a step has none.
  absl::Status TakeCandidate(Racer& racer, train::StopSignal& stop, train::StepOutput& output) {
    const int64_t step = racer.trainer->step();
    if (step == 0) return absl::OkStatus();
    const Clock::time_point begin = Clock::now();
    if (absl::Status status = racer.task->TakeCandidate(step, stop); !status.ok()) return status;
    slowest_look_ = std::max(slowest_look_, Seconds(Clock::now() - begin));
    output.values[absl::StrCat("race/", racer.name)] =
        racer.task->candidates().back().estimate.value;
    return absl::OkStatus();
  }

  // After the first round every racer is heard by those of the others that train on labelled source
  // data: early models err each in its own way, later ones alike (docs/selection.md). The linear
  // classifier is not heard alone: it aligns domains too, and methods that do so may have been
  // dropped for the classes' shares.
  void IntroducePeers() {
    const bool any = std::any_of(alive_.begin(), alive_.end(), [this](size_t index) {
      return Runs(index) && racers_[index].trains_on_source;
    });
    if (!any) return;
    const absl::optional<Candidate> linear = LinearPeer(context_, *examiner_);
    for (const size_t index : alive_) {
      if (!Runs(index)) continue;
      selection::OtherModels others;
      for (const size_t other : alive_) {
        if (other == index || !Runs(other) || !racers_[other].trains_on_source) continue;
        const std::vector<Candidate>& candidates = racers_[other].task->candidates();
        if (candidates.empty() || candidates.back().form != selection::Form::kAdapted) continue;
        others.methods.push_back(candidates.back());
      }
      if (!others.methods.empty()) others.linear = linear;
      racers_[index].task->SetPeers(selection::PeersAmong(*source_forms_, others));
    }
  }

  void EndRound() {
    if (standings_.empty()) IntroducePeers();
    std::vector<Contender> contenders;
    for (const size_t index : alive_) {
      contenders.push_back({index, Runs(index) ? &racers_[index].task->candidates() : nullptr});
    }
    standings_.push_back(Judge(contenders));
    const size_t next = standings_.size();
    if (next == rounds_.size()) return;
    alive_.clear();
    for (int64_t i = 0; i < rounds_[next].racers; ++i) {
      alive_.push_back(standings_.back()[static_cast<size_t>(i)].racer);
    }
    std::sort(alive_.begin(), alive_.end());
    ReleaseLosers();
  }

  // Gives back the memory of those who do not run on.
  void ReleaseLosers() {
    for (size_t i = 0; i < racers_.size(); ++i) {
      if (std::find(alive_.begin(), alive_.end(), i) != alive_.end()) continue;
      racers_[i].trainer.reset();
      racers_[i].task.reset();
      racers_[i].model.reset();
    }
  }

  nlohmann::json RoundToJson(size_t round) const {
    const int64_t going_on = round + 1 < rounds_.size() ? rounds_[round + 1].racers : 1;
    nlohmann::json racers = nlohmann::json::array();
    for (size_t place = 0; place < standings_[round].size(); ++place) {
      const Standing& standing = standings_[round][place];
      if (unfit_[standing.racer]) continue;
      nlohmann::json racer = {{"method", racers_[standing.racer].name},
                              {"failed", standing.score == kFailedScore},
                              {"goes_on", static_cast<int64_t>(place) < going_on}};
      if (standing.score != kFailedScore) {
        racer["ensemble"] = standing.score;
        racer["best"] = selection::ToJson(standing.best);
      }
      racers.push_back(std::move(racer));
    }
    return {{"share_of_plan", static_cast<double>(rounds_[round].end) / kSlices},
            {"racers", std::move(racers)}};
  }

  std::string Why() const {
    if (racers_.empty()) {
      return absl::StrCat("nothing can be chosen by ", context_.target.size(),
                          " target samples, under ", kLeastTargetSamples);
    }
    if (!HasWinner()) {
      return std::find(failed_.begin(), failed_.end(), true) != failed_.end()
                 ? "every method that fits diverged"
                 : absl::StrCat("no method fits: ", diagnosis_->Sentence());
    }
    if (std::count(unfit_.begin(), unfit_.end(), false) < 2) {
      return absl::StrCat(Winner().name, " is the only method that fits");
    }
    const std::vector<Standing>& last = standings_[standings_.size() - 2];
    std::vector<std::string> others;
    for (const Standing& standing : last) {
      if (standing.racer == alive_[0] || unfit_[standing.racer]) continue;
      others.push_back(absl::StrFormat("%s (%.2f)", racers_[standing.racer].name, standing.score));
    }
    return absl::StrFormat(
        "%s beat %s after %.0f %% of its plan: the score is the mean share of the other candidates "
        "that it beats in each validator, here %.2f",
        Winner().name, absl::StrJoin(others, ", "),
        100.0 * static_cast<double>(rounds_[standings_.size() - 2].end) / kSlices,
        last.front().score);
  }

  const MethodContext context_;
  const ExtraInputs no_inputs_ = {};
  std::vector<Dropped> dropped_;
  std::vector<bool> required_gradients_;  // of the model's parameters, as they came
  train::Plan plan_;
  std::vector<Round> rounds_;
  std::vector<Racer> racers_;
  std::vector<size_t> alive_;  // racers of the present round, rising
  const Clock::time_point begin_ = Clock::now();
  Seconds slowest_look_{0};   // at a candidate
  bool cut_short_ = false;    // by the time limit
  std::vector<bool> failed_;  // diverged
  std::vector<bool> unfit_;   // by the diagnosis
  absl::optional<RaceDiagnosis> diagnosis_;
  std::shared_ptr<const selection::Examiner> examiner_;
  const std::shared_ptr<std::vector<Candidate>> source_forms_ =
      std::make_shared<std::vector<Candidate>>();
  absl::optional<selection::AccuracyEstimate> source_estimate_;  // without a winner
  std::vector<std::vector<Standing>> standings_;  // of each round that ended, best first
  std::map<std::string, std::vector<train::CurvePoint>> curves_;  // of the winner
};

absl::StatusOr<std::unique_ptr<train::Task>> MakeAuto(const MethodContext& context) {
  const bool source_free = context.settings.Text("candidates") == "source_free";
  std::vector<const MethodEntry*> entries;
  std::vector<Dropped> dropped;
  for (const char* name : kAutoMethods) {
    const MethodEntry* entry = FindMethod(name);
    if (entry == nullptr) continue;
    const std::string obstacle = ObstacleTo(*entry, context, source_free);
    if (obstacle.empty()) {
      entries.push_back(entry);
    } else {
      dropped.push_back({name, obstacle});
    }
  }
  auto task = std::make_unique<AutoTask>(context, std::move(dropped));
  if (context.target.size() < kLeastTargetSamples) return task;
  if (absl::Status status = task->Prepare(); !status.ok()) return status;
  for (const MethodEntry* entry : entries) {
    if (absl::Status status = task->AddRacer(*entry); !status.ok()) return status;
  }
  return task;
}

}  // namespace

MethodEntry Auto() {
  MethodSpec spec;
  spec.name = "auto";
  spec.title = "Automatic choice";
  spec.summary =
      "Races the methods that fit the model and the data, judges them without labels, finishes the "
      "winner, and returns the source model where adaptation does not hold against it. Use it when "
      "you do not know which method fits.";
  spec.reference =
      "Jamieson & Talwalkar, AISTATS (2016); Musgrave et al., Benchmarking Validation Methods "
      "(2022)";
  spec.formula = "successive halving by the mean rank in an ensemble of label-free validators";
  spec.source = DataNeed::kOptional;
  spec.holds_out_source = true;
  spec.answers = {shift::ShiftKind::kCovariate, shift::ShiftKind::kLabel};
  spec.hyperparameters = {
      PositiveSetting("budget", "Length of every run, relative to the method's default", 1.0, 10.0),
      ChoiceSetting("candidates",
                    "all: every method that fits; source_free: none that uses source "
                    "data, which then only serves the validators",
                    "all", {"all", "source_free"}),
      ChoiceSetting("guard",
                    "on: the source model is returned, and the run says so, where the adapted one "
                    "does not hold against it by the validators and the estimated accuracy",
                    "on", {"on", "off"})};
  return {spec, &MakeAuto};
}

}  // namespace acclimate::methods
