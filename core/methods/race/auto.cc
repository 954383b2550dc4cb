// Automatic choice: methods race, one network learns what the best of them agree on, and the guard
// has the last word.
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
#include "core/methods/method.h"
#include "core/methods/race/classical_rival.h"
#include "core/methods/race/race.h"
#include "core/methods/race/race_diagnosis.h"
#include "core/methods/race/racer.h"
#include "core/methods/race/standings.h"
#include "core/methods/race/teachers.h"
#include "core/methods/registry.h"
#include "core/methods/selection.h"
#include "core/methods/teaching/student.h"
#include "core/selection/choice.h"
#include "core/selection/selecting_task.h"
#include "core/train/tensor_maps.h"
#include "core/train/trainer.h"

namespace acclimate::methods {
namespace {

using selection::Candidate;

// Who may race, in this order: different ideas rather than variants of one. Methods that only
// replace batch-norm statistics need no place: that form of the source is always a candidate.
constexpr const char* kAutoMethods[] = {"shot", "roid",       "dann",       "cdan",
                                        "mcc",  "deep_coral", "label_shift"};

constexpr char kStudentName[] = "student";
constexpr char kStateOfRacer[] = "racers/";
constexpr char kSeen[] = "seen/";
constexpr char kStudent[] = "student/";
constexpr char kDiagnosis[] = "diagnosis/";
constexpr char kAlive[] = "race/alive";
constexpr char kFailed[] = "race/failed";  // of the racers, then of the student
constexpr char kClassical[] = "race/classical";
constexpr char kRounds[] = "race/rounds/";

struct Dropped {
  std::string name, reason;
};

constexpr int64_t kDiagnosisSteps = 1;

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

class AutoTask : public train::Task {
 public:
  // source_free: nothing trains on source data.
  AutoTask(const MethodContext& context, bool source_free, std::vector<Dropped> dropped)
      : context_(context),
        source_free_(source_free),
        dropped_(std::move(dropped)),
        rival_(context_, source_free) {
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
    absl::StatusOr<Racer> racer = MakeRacer(entry, context_, no_inputs_);
    if (absl::IsInvalidArgument(racer.status())) {
      dropped_.push_back({entry.spec.name, std::string(racer.status().message())});
      return absl::OkStatus();
    }
    if (!racer.ok()) return racer.status();
    alive_.push_back(racers_.size());
    failed_.push_back(false);
    unfit_.push_back(false);
    seen_.emplace_back();
    racers_.push_back(*std::move(racer));
    return absl::OkStatus();
  }

  // After the last racer.
  void AddStudent() {
    if (racers_.empty()) return;
    rounds_ = RaceRounds(static_cast<int64_t>(racers_.size()));
    plan_.total_steps = kDiagnosisSteps + RaceSteps(rounds_) + kSlices;
    StudentOptions options = rival_.StudentOfARace();
    options.steps = std::max<int64_t>(
        1, std::llround(static_cast<double>(options.steps) * context_.settings.Real("budget")));
    std::unique_ptr<model::Model> model = context_.model.Clone();
    const MethodContext context = {*model,
                                   source_free_ ? no_sources_ : context_.sources,
                                   context_.target,
                                   context_.device,
                                   context_.settings,
                                   no_inputs_,
                                   context_.held_out,
                                   context_.seed};
    selection::SelectionOptions last;
    last.ensemble = false;
    last.guard = context_.settings.Text(kGuardSetting) == "on";
    std::shared_ptr<const selection::Examiner> examiner = examiner_;
    if (context_.guard_labels != nullptr) {  // which have no part in the race
      examiner = std::make_shared<const selection::Examiner>(
          context_.target, context_.held_out, context_.device, context_.seed,
          selection::Examiner::kSamples, context_.guard_labels);
    }
    auto task = MakeSelectingTask(
        MakeStudent(
            context, [this](train::StopSignal& stop) { return Taught(stop); }, options),
        context, std::move(examiner), last,
        [this](train::StopSignal& stop) { return rival_.Witness(*examiner_, stop); });
    selecting_ = task.get();
    student_ = RacerOf(kStudentName, std::move(model), std::move(task), context_);
  }

  const train::Plan& plan() const override { return plan_; }

  // The diagnosis; then one slice of one racer, at the end of a round also the judgement; then the
  // student's slices.
  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) override {
    train::StepOutput output;
    if (racers_.empty()) return output;
    if (input.step < kDiagnosisSteps) {
      if (absl::Status status = Diagnose(stop); !status.ok()) return status;
      MarkUnfit();
      return output;
    }
    const int64_t race_steps = RaceSteps(rounds_);
    const int64_t step = input.step - kDiagnosisSteps;
    if (step >= race_steps) {
      absl::Status status = StepStudent(step - race_steps + 1, stop, output);
      if (!status.ok()) return status;
      return output;
    }
    const RacePlace place = PlaceOf(rounds_, step);
    const size_t index = alive_[place.racer];
    if (Runs(index) && classical_teacher_.empty() && !TimeIsUp(kRaceShare)) {
      absl::Status status = RunSlice(racers_[index], place.slice, stop, output);
      // What the defaults of one method cannot train is no reason to give up the others.
      if (absl::IsInvalidArgument(status)) {
        failed_[index] = true;
      } else if (!status.ok()) {
        return status;
      }
    }
    if (place.round_ends && Runs(index) && classical_teacher_.empty()) {
      if (absl::Status status = LookAt(index, stop, output); !status.ok()) return status;
    }
    if (place.round_ends && place.racer + 1 == alive_.size()) {
      if (absl::Status status = EndRound(stop); !status.ok()) return status;
    }
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override {
    if (racers_.empty()) return absl::OkStatus();
    if (!HasStudent()) return selecting_->ExamineSource(stop);
    if (absl::Status status = selecting_->Finish(stop); !status.ok()) return status;
    curves_ = student_.trainer->curves().points();
    return absl::OkStatus();
  }

  train::TensorMap State() const override {
    train::TrainingState state;
    if (diagnosis_) state.Add(kDiagnosis, diagnosis_->State());
    for (const size_t index : alive_) {
      state.Add(absl::StrCat(kStateOfRacer, index, "/"), racers_[index].trainer->State().tensors);
      if (!seen_[index]) continue;
      state.Add(absl::StrCat(kSeen, index, "/"), selection::ToTensors(*seen_[index]));
    }
    if (selecting_ != nullptr) state.Add(kStudent, student_.trainer->State().tensors);
    std::vector<int64_t> alive(alive_.begin(), alive_.end());
    std::vector<int64_t> failed(failed_.begin(), failed_.end());
    failed.push_back(student_failed_ ? 1 : 0);
    state.tensors[kAlive] = at::tensor(alive, at::kLong);
    state.tensors[kClassical] = train::TextTensor(classical_teacher_);
    state.tensors[kFailed] = at::tensor(failed, at::kLong);
    state.Add(kRounds, ToTensors(standings_));
    return state.tensors;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    const train::TrainingState whole{state, {}};
    const auto alive = state.find(kAlive), failed = state.find(kFailed),
               classical = state.find(kClassical);
    if (alive == state.end() || failed == state.end() || classical == state.end() ||
        failed->second.numel() != static_cast<int64_t>(racers_.size()) + 1) {
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
    const auto has_failed = [&](size_t i) {
      return failed->second[static_cast<int64_t>(i)].item<int64_t>() != 0;
    };
    for (size_t i = 0; i < racers_.size(); ++i) failed_[i] = has_failed(i);
    student_failed_ = has_failed(racers_.size());
    classical_teacher_ = train::TextOf(classical->second).value_or("");
    absl::StatusOr<std::vector<std::vector<Standing>>> standings =
        StandingsFrom(whole.Part(kRounds));
    if (!standings.ok()) return standings.status();
    standings_ = *std::move(standings);
    for (const size_t index : alive_) {
      absl::Status status = RestoreRacer(index, whole);
      if (!status.ok()) return status;
    }
    ReleaseLosers();
    if (selecting_ == nullptr) return absl::OkStatus();
    return student_.trainer->Restore({whole.Part(kStudent), {}});
  }

  std::unique_ptr<model::Model> TakeModel() override {
    if (!HasStudent()) return nullptr;
    // A copy: the race may yet be asked for its state.
    std::unique_ptr<model::Model> model = student_.model->Clone();
    for (size_t i = 0; i < required_gradients_.size(); ++i) {
      model->parameters()[i].tensor.requires_grad_(required_gradients_[i]);
    }
    return model;
  }

  std::map<std::string, double> Metrics() const override {
    if (HasStudent()) return student_.task->Metrics();
    if (selecting_ == nullptr) return {};
    const selection::AccuracyEstimate& source = selecting_->candidates().front().estimate;
    return selection::EstimateMetrics(source, source);
  }

  std::vector<std::string> Warnings() const override {
    std::vector<std::string> warnings;
    if (HasStudent()) warnings = student_.task->Warnings();
    for (size_t i = 0; i < racers_.size(); ++i) {
      if (failed_[i]) warnings.push_back(absl::StrCat(racers_[i].name, " diverged in the race"));
    }
    if (student_failed_) warnings.push_back("the student diverged");
    if (cut_short_) {
      warnings.push_back(
          absl::StrFormat("the time limit of %.0f s cut the race or its student short",
                          context_.time_limit_seconds));
    }
    if (!HasStudent()) {
      warnings.push_back(absl::StrCat("the source model is returned: ", Why()));
    }
    return warnings;
  }

  void Report(nlohmann::json& report) const override {
    if (diagnosis_) diagnosis_->Report(report);
    if (HasStudent()) student_.task->Report(report);
    nlohmann::json rounds = nlohmann::json::array();
    for (size_t r = 0; r < standings_.size(); ++r) {
      const int64_t going_on = r + 1 < rounds_.size() ? rounds_[r + 1].racers : kFinalists;
      rounds.push_back({{"share_of_plan", static_cast<double>(rounds_[r].end) / kSlices},
                        {"racers", ToJson(standings_[r], RacerNames(), unfit_, going_on)}});
    }
    nlohmann::json dropped = nlohmann::json::array();
    for (const Dropped& one : dropped_) {
      dropped.push_back({{"method", one.name}, {"reason", one.reason}});
    }
    for (size_t i = 0; i < racers_.size(); ++i) {
      if (!unfit_[i]) continue;
      dropped.push_back(
          {{"method", racers_[i].name}, {"reason", diagnosis_->Obstacle(racers_[i].name)}});
    }
    report["race"] = {
        {"rounds", std::move(rounds)},
        {"dropped", std::move(dropped)},
        {"cut_short", cut_short_},
        {"teachers", TeacherNames()},
        {"winner", HasStudent() ? nlohmann::json(TeacherNames().front()) : nlohmann::json()},
        {"why", Why()}};
    report["curves"].update(train::ToJson(curves_));
  }

 private:
  // Of the time limit, where there is one: the race; the race and the student. The rest is for
  // loading, evaluating and saving, or more where looking at models is slow.
  static constexpr double kRaceShare = 0.5, kAllShare = 0.8, kMostShare = 0.9;
  static constexpr double kDiagnosisShare = 0.25;

  bool Runs(size_t racer) const { return !failed_[racer] && !unfit_[racer]; }

  // Of the last round, the best first.
  std::vector<size_t> Teachers() const {
    std::vector<size_t> teachers;
    if (standings_.size() < rounds_.size() || standings_.empty()) return teachers;
    for (const Standing& standing : standings_.back()) {
      if (CanTeach(standing)) teachers.push_back(standing.racer);
    }
    return teachers;
  }
  bool HasStudent() const {
    return !student_failed_ && (!classical_teacher_.empty() || !Teachers().empty());
  }

  // What the student learnt from, the weights that it began with first.
  std::vector<std::string> TeacherNames() const {
    if (!classical_teacher_.empty()) return {classical_teacher_};
    std::vector<std::string> names;
    for (const size_t index : Teachers()) names.push_back(racers_[index].name);
    return names;
  }

  std::vector<std::string> RacerNames() const {
    std::vector<std::string> names;
    for (const Racer& racer : racers_) names.push_back(racer.name);
    return names;
  }

  // By the finalists, beginning with the weights of the first; or by the classical teacher.
  absl::StatusOr<Teaching> Taught(train::StopSignal& stop) {
    if (!classical_teacher_.empty()) return rival_.Teach(stop);
    std::vector<Racer*> racers;
    for (const size_t index : Teachers()) racers.push_back(&racers_[index]);
    absl::StatusOr<at::Tensor> probabilities = MeanProbabilities(racers, context_, stop);
    if (!probabilities.ok()) return probabilities.status();
    absl::Status status = student_.model->LoadStateDict(racers.front()->model->StateDict());
    if (!status.ok()) return status;
    Teaching teaching;
    teaching.probabilities = *std::move(probabilities);
    return teaching;
  }

  absl::Status RestoreRacer(size_t index, const train::TrainingState& whole) {
    absl::Status status = racers_.at(index).trainer->Restore(
        {whole.Part(absl::StrCat(kStateOfRacer, index, "/")), {}});
    if (!status.ok()) return status;
    const train::TensorMap seen = whole.Part(absl::StrCat(kSeen, index, "/"));
    seen_[index].reset();
    if (seen.empty()) return absl::OkStatus();
    absl::StatusOr<Candidate> candidate = selection::CandidateFrom(seen);
    if (!candidate.ok()) return candidate.status();
    seen_[index] = *std::move(candidate);
    return absl::OkStatus();
  }

  // So much of the time limit, where there is one, with `reserve` to come.
  bool IsOver(double share, Seconds reserve = Seconds(0)) const {
    const Seconds spent = Clock::now() - begin_ + reserve;
    return context_.time_limit_seconds > 0 && spent.count() > share * context_.time_limit_seconds;
  }

  // What is not done by then is left, and all racers race.
  absl::Status Diagnose(train::StopSignal& stop) {
    bool out_of_time = false;
    train::StopSignal hurried([&] {
      if (!stop.Check().ok()) return stop.directive();
      out_of_time = IsOver(kDiagnosisShare);
      return out_of_time ? train::Directive::kCancel : train::Directive::kContinue;
    });
    absl::Status status = diagnosis_->Run(hurried);
    if (!out_of_time) return status;
    cut_short_ = true;
    return absl::OkStatus();
  }

  // A diagnosis that would leave nobody proves nothing: then all race.
  void MarkUnfit() {
    for (size_t i = 0; i < racers_.size(); ++i) {
      unfit_[i] = !diagnosis_->Obstacle(racers_[i].name).empty();
    }
    if (std::find(unfit_.begin(), unfit_.end(), false) != unfit_.end()) return;
    unfit_.assign(racers_.size(), false);
  }

  // What is cut short is judged, and learnt from, as far as it came.
  bool TimeIsUp(double share) {
    // Those that are still to be looked at; and the student is finished, evaluated and saved.
    const Seconds looks = slowest_look_ * static_cast<double>(alive_.size() + 3);
    const bool up = IsOver(share) || IsOver(kMostShare, looks);
    cut_short_ = cut_short_ || up;
    return up;
  }

  static absl::Status RunSlice(Racer& racer, int64_t slice, train::StopSignal& stop,
                               train::StepOutput& output) {
    const int64_t before = racer.trainer->step();
    const int64_t goal = StepsAfter(slice, racer.task->plan().total_steps);
    if (absl::Status status = racer.trainer->RunTo(goal, stop); !status.ok()) return status;
    output.samples = (racer.trainer->step() - before) * racer.samples_per_step();
    return absl::OkStatus();
  }

  absl::Status StepStudent(int64_t slice, train::StopSignal& stop, train::StepOutput& output) {
    if (!HasStudent() || TimeIsUp(kAllShare)) return absl::OkStatus();
    absl::Status status = RunSlice(student_, slice, stop, output);
    if (!absl::IsInvalidArgument(status)) return status;
    student_failed_ = true;
    return absl::OkStatus();
  }

  // At the end of a round; one that had no time for a step has none.
  absl::Status LookAt(size_t index, train::StopSignal& stop, train::StepOutput& output) {
    Racer& racer = racers_[index];
    if (racer.trainer->step() == 0) return absl::OkStatus();
    const Clock::time_point begin = Clock::now();
    absl::StatusOr<Candidate> seen = Look(racer, context_, *examiner_, stop);
    if (!seen.ok()) return seen.status();
    seen_[index] = *std::move(seen);
    slowest_look_ = std::max(slowest_look_, Seconds(Clock::now() - begin));
    output.values[absl::StrCat("race/", racer.name)] = seen_[index]->estimate.value;
    return absl::OkStatus();
  }

  absl::Status EndRound(train::StopSignal& stop) {
    if (!classical_teacher_.empty()) return absl::OkStatus();
    if (absl::Status status = selecting_->ExamineSource(stop); !status.ok()) return status;
    std::vector<Contender> contenders;
    for (const size_t index : alive_) {
      const bool ran = Runs(index) && seen_[index];
      contenders.push_back({index, ran ? &*seen_[index] : nullptr});
    }
    standings_.push_back(Judge(selecting_->candidates(), contenders));
    const absl::StatusOr<bool> better =
        rival_.IsBetterThan(LeadersSay(standings_.back(), kFinalists),
                            selecting_->candidates().front(), *examiner_, stop);
    if (!better.ok()) {
      standings_.pop_back();  // stopped: to be judged again
      return better.status();
    }
    if (*better) classical_teacher_ = rival_.name();
    const size_t next = standings_.size();
    if (next == rounds_.size()) return absl::OkStatus();
    alive_.clear();
    for (int64_t i = 0; i < rounds_[next].racers; ++i) {
      alive_.push_back(standings_.back()[static_cast<size_t>(i)].racer);
    }
    std::sort(alive_.begin(), alive_.end());
    ReleaseLosers();
    return absl::OkStatus();
  }

  // Gives back the memory of those who do not run on.
  void ReleaseLosers() {
    for (size_t i = 0; i < racers_.size(); ++i) {
      if (std::find(alive_.begin(), alive_.end(), i) != alive_.end()) continue;
      racers_[i].trainer.reset();
      racers_[i].task.reset();
      racers_[i].model.reset();
      seen_[i].reset();
    }
  }

  std::string Why() const {
    if (racers_.empty()) {
      return context_.target.size() < kLeastTargetSamples
                 ? absl::StrCat("nothing can be chosen by ", context_.target.size(),
                                " target samples, under ", kLeastTargetSamples)
                 : "no method fits the model and the data";
    }
    if (!HasStudent()) return "every method that fits diverged or collapsed";
    if (!classical_teacher_.empty()) {
      return absl::StrCat("the network learnt what ", classical_teacher_,
                          " predicts: samples that lie together get the same class from it more "
                          "often than from the methods that raced");
    }
    std::vector<std::string> teachers;
    for (const Standing& standing : standings_.back()) {
      if (!CanTeach(standing)) continue;
      teachers.push_back(
          absl::StrFormat("%s (%.2f)", racers_[standing.racer].name, standing.score));
    }
    return absl::StrCat("a network that begins as ", TeacherNames().front(),
                        " learnt the mean of what these predict: ", absl::StrJoin(teachers, ", "),
                        "; the score is the agreement with all candidates and the nuclear norm, "
                        "each in standard deviations from the mean");
  }

  const MethodContext context_;
  const bool source_free_;
  const ExtraInputs no_inputs_ = {};
  const std::vector<data::Dataset> no_sources_;
  std::vector<Dropped> dropped_;
  std::vector<bool> required_gradients_;  // of the model's parameters, as they came
  train::Plan plan_;
  std::vector<Round> rounds_;
  std::vector<Racer> racers_;
  std::vector<absl::optional<Candidate>> seen_;  // of each racer, when it was last looked at
  std::vector<size_t> alive_;                    // racers of the present round, rising
  const Clock::time_point begin_ = Clock::now();
  Seconds slowest_look_{0};   // at a candidate
  bool cut_short_ = false;    // by the time limit
  std::vector<bool> failed_;  // diverged
  std::vector<bool> unfit_;   // by the diagnosis
  absl::optional<RaceDiagnosis> diagnosis_;
  std::shared_ptr<const selection::Examiner> examiner_;
  Racer student_;
  selection::SelectingTask* selecting_ = nullptr;  // the student's task; null without racers
  bool student_failed_ = false;                    // diverged
  ClassicalRival rival_;
  std::string classical_teacher_;  // the method that taught the student; empty: the finalists did
  std::vector<std::vector<Standing>> standings_;  // of each round that ended, best first
  std::map<std::string, std::vector<train::CurvePoint>> curves_;  // of the student
};

absl::StatusOr<std::unique_ptr<train::Task>> MakeAuto(const MethodContext& context) {
  const bool source_free = context.settings.Text("candidates") == "source_free";
  std::vector<const MethodEntry*> entries;
  std::vector<Dropped> dropped;
  for (const char* name : kAutoMethods) {
    const MethodEntry& entry = *FindMethod(name);
    const std::string obstacle = ObstacleTo(entry, context, source_free);
    if (obstacle.empty()) {
      entries.push_back(&entry);
    } else {
      dropped.push_back({name, obstacle});
    }
  }
  auto task = std::make_unique<AutoTask>(context, source_free, std::move(dropped));
  if (context.target.size() < kLeastTargetSamples) return task;
  if (absl::Status status = task->Prepare(); !status.ok()) return status;
  for (const MethodEntry* entry : entries) {
    if (absl::Status status = task->AddRacer(*entry); !status.ok()) return status;
  }
  task->AddStudent();
  return task;
}

}  // namespace

MethodEntry Auto() {
  MethodSpec spec;
  spec.name = "auto";
  spec.title = "Automatic choice";
  spec.summary =
      "Races the methods that fit the model and the data, judges them without labels, teaches one "
      "network what the best of them agree on, and returns the source model where that does not "
      "hold against it. Use it when you do not know which method fits.";
  spec.reference =
      "Hinton et al., arXiv:1503.02531 (2015); Hu et al., Towards Realistic Unsupervised Model "
      "Selection (2024)";
  spec.formula =
      "student of the mean softmax of the four candidates with the highest z(agreement with all) + "
      "z(nuclear norm)";
  spec.source = DataNeed::kOptional;
  spec.holds_out_source = true;
  spec.answers = {shift::ShiftKind::kCovariate, shift::ShiftKind::kLabel};
  spec.hyperparameters = {
      PositiveSetting("budget", "Length of every run, relative to that of a race", 1.0, 10.0),
      ChoiceSetting("candidates",
                    "all: every method that fits; source_free: none that uses source "
                    "data, which then only serves the validators",
                    "all", {"all", "source_free"}),
      GuardSetting()};
  return {spec, &MakeAuto};
}

}  // namespace acclimate::methods
