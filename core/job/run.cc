#include "core/job/run.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "core/io/tensor_file.h"
#include "core/job/cost.h"
#include "core/job/evaluation.h"
#include "core/job/failure.h"
#include "core/job/feature_view.h"
#include "core/job/inputs.h"
#include "core/job/normalization.h"
#include "core/job/precision.h"
#include "core/job/report.h"
#include "core/job/training_anew.h"
#include "core/methods/registry.h"
#include "core/methods/selection.h"
#include "core/model/architectures.h"
#include "core/report/html.h"
#include "core/report/verdict.h"
#include "core/runtime/blas.h"
#include "core/runtime/precision.h"
#include "core/runtime/random.h"
#include "core/runtime/synchronizations.h"
#include "core/train/pass.h"
#include "core/train/tensor_maps.h"
#include "core/train/trainer.h"
#include "core/train/training_state.h"

namespace acclimate::job {
namespace {

constexpr char kStateFile[] = "training_state.safetensors";
constexpr char kChangedFile[] = "changed.safetensors";
constexpr char kReportFile[] = "report.json";
constexpr char kPageFile[] = "report.html";
constexpr char kLineageFile[] = "lineage.json";
constexpr char kSourceConfusion[] = "job/source_confusion_matrix";
constexpr char kSourceReliability[] = "job/source_reliability";
constexpr char kViewBefore[] = "view_before";

// Passes everything on; keeps the warnings, how long each phase took, and the cost.
class Recorder : public RunObserver {
 public:
  explicit Recorder(RunObserver& observer) : observer_(observer) {}

  void OnPhase(const std::string& phase) override {
    EndPhase();
    phase_ = phase;
    observer_.OnPhase(phase);
  }
  void OnMetrics(const Progress& progress, const std::map<std::string, double>& values) override {
    observer_.OnMetrics(progress, values);
  }
  void OnWarning(const std::string& message) override {
    warnings_.push_back(message);
    observer_.OnWarning(message);
  }
  void OnTrainingState(int64_t step, const std::string& path) override {
    observer_.OnTrainingState(step, path);
  }
  Directive NextDirective() override { return observer_.NextDirective(); }

  void EndPhase() {
    const Clock::time_point now = Clock::now();
    if (!phase_.empty()) {
      seconds_[phase_] += std::chrono::duration<double>(now - begin_).count();
    }
    begin_ = now;
  }
  const std::map<std::string, double>& seconds() const { return seconds_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  Cost cost() const { return meter_.Read(); }

 private:
  using Clock = std::chrono::steady_clock;

  RunObserver& observer_;
  const CostMeter meter_;
  std::string phase_;
  Clock::time_point begin_ = Clock::now();
  std::map<std::string, double> seconds_;
  std::vector<std::string> warnings_;
};

int64_t TotalSize(const std::vector<data::Dataset>& datasets) {
  int64_t total = 0;
  for (const data::Dataset& dataset : datasets) total += dataset.size();
  return total;
}

std::map<std::string, int64_t> SampleCounts(const Inputs& inputs) {
  std::map<std::string, int64_t> counts = {{"target", inputs.target->size()}};
  if (!inputs.sources.empty()) counts["source"] = TotalSize(inputs.sources);
  if (!inputs.held_out.empty()) counts["held_out"] = TotalSize(inputs.held_out);
  if (inputs.evaluation) counts["evaluation"] = inputs.evaluation->size();
  return counts;
}

// Labels that somebody gave for this run beside those of the sources.
int64_t LabelsOfTarget(const Inputs& inputs) {
  const methods::MethodSpec& spec = inputs.method->spec;
  int64_t labels = spec.target_labels == methods::DataNeed::kRequired ? inputs.target->size() : 0;
  for (const methods::InputSpec& input : spec.inputs) {
    if (input.kind != methods::InputSpec::Kind::kLabelledDataset) continue;
    const auto given = inputs.extra.datasets.find(input.name);
    if (given != inputs.extra.datasets.end()) labels += given->second.size();
  }
  return labels;
}

// Of each class among the labels of all sources; empty without sources.
std::vector<double> LabelShares(const std::vector<data::Dataset>& sources) {
  std::vector<double> shares;
  int64_t classes = 0;
  for (const data::Dataset& source : sources) classes = std::max(classes, source.num_classes());
  at::Tensor counts = at::zeros({classes}, at::kLong);
  for (const data::Dataset& source : sources) counts += source.labels().bincount({}, classes);
  const double total = static_cast<double>(TotalSize(sources));
  for (int64_t i = 0; i < classes; ++i) {
    shares.push_back(static_cast<double>(counts[i].item<int64_t>()) / total);
  }
  return shares;
}

// One run, from its loaded inputs on.
class Session {
 public:
  Session(const RunSpec& spec, Inputs inputs, Recorder& recorder)
      : spec_(spec),
        inputs_(std::move(inputs)),
        recorder_(recorder),
        stop_([&recorder] { return recorder.NextDirective(); }) {
    result_.precision = runtime::PrecisionName(inputs_.precision);
  }

  absl::StatusOr<RunResult> Run() {
    absl::Status status = Work();
    recorder_.EndPhase();
    if (absl::IsCancelled(status) && stop_.directive() == Directive::kPause) {
      status = SaveState(OutputPath(kStateFile));
      if (!status.ok()) return status;
      result_.outcome = RunResult::Outcome::kPaused;
      result_.files = {kStateFile};
    } else if (absl::IsCancelled(status) && stop_.directive() == Directive::kCancel) {
      result_.outcome = RunResult::Outcome::kCancelled;
    } else if (!status.ok()) {
      return status;
    }
    return result_;
  }

 private:
  absl::Status Work() {
    recorder_.OnPhase("preparing");
    absl::Status status = Prepare();
    if (!status.ok()) return status;
    recorder_.OnPhase("training");
    {
      const auto waits = runtime::SynchronizationCounter::IfAskedFor();
      if (status = trainer_->Run(stop_); !status.ok()) return status;
      if (waits != nullptr) NoteWaits(*waits);
    }
    outcome_ = task_->TakeModel();
    recorder_.OnPhase("evaluating");
    if (status = EvaluateResult(); !status.ok()) return status;
    if (status = CompareCost(); !status.ok()) return status;
    recorder_.OnPhase("saving");
    return Save();
  }

  void NoteWaits(const runtime::SynchronizationCounter& waits) {
    result_.metrics["synchronizations"] = static_cast<double>(waits.count());
    for (const auto& [name, times] : waits.by_operator()) {
      result_.metrics[absl::StrCat("synchronizations/", name)] = static_cast<double>(times);
    }
  }

  // Up to the first step: the task, the state to resume from, the source model's scores.
  absl::Status Prepare() {
    if (spec_.checkpoint != nullptr) original_ = train::Copies(inputs_.model->StateDict());
    absl::StatusOr<std::unique_ptr<train::Task>> task = methods::MakeSelectedTask(
        *inputs_.method,
        {*inputs_.model, inputs_.sources, inputs_.method_target(), inputs_.device,
         methods::Settings(inputs_.hyperparameters), inputs_.extra, inputs_.held_out, spec_.seed,
         spec_.checkpoint == nullptr, spec_.time_limit_seconds},
        sights_);
    if (!task.ok()) return task.status();
    task_ = *std::move(task);
    trainer_ = MakeTrainer();
    if (spec_.resume_state != nullptr) {
      absl::Status status = Resume();
      if (!status.ok()) return InField("resume_state", status);
    }
    return spec_.checkpoint == nullptr ? absl::OkStatus() : EvaluateSource();
  }

  // What a state brought is not measured again, nor what the selection will see anyway.
  absl::Status EvaluateSource() {
    if (view_before_.is_null() &&
        !methods::SelectsWeights(*inputs_.method, inputs_.method_target())) {
      if (absl::Status status = LookInto(view_before_); !status.ok()) return status;
    }
    if (!inputs_.evaluation) return absl::OkStatus();
    if (!source_only_.confusion.defined()) return EvaluateInto(source_only_, "source_accuracy");
    result_.metrics["source_accuracy"] = train::Accuracy(source_only_.confusion);
    return absl::OkStatus();
  }

  // The selection's first look at the source model, once it has been.
  void ViewSource() {
    if (!sights_->source) return;
    if (view_before_.is_null() && spec_.checkpoint != nullptr) {
      view_before_ = FeatureView(*sights_->source);
    }
    sights_->source.reset();
  }

  absl::Status EvaluateResult() {
    absl::Status status;
    ViewSource();
    if (sights_->returned) {
      view_after_ = FeatureView(*sights_->returned);
    } else if (inputs_.method->spec.trains) {
      status = LookInto(view_after_);
    }
    if (status.ok() && inputs_.evaluation) status = EvaluateInto(adapted_, "accuracy");
    if (!status.ok()) return status;
    if (task_->target_probabilities().defined()) {
      view_after_ = PredictionView(task_->target_probabilities());
      if (inputs_.target->has_labels()) status = CountTargetPredictions();
    }
    if (task_->confusion_matrix().defined()) {
      result_.metrics["accuracy"] = train::Accuracy(task_->confusion_matrix());
    }
    return status;
  }

  // What cannot be trained anew, as a network whose layers only evaluate, is not compared.
  absl::Status CompareCost() {
    cost_ = recorder_.cost();
    const data::Dataset& target = inputs_.method_target();
    // Batch norm cannot train on one sample.
    if (!inputs_.method->spec.trains || spec_.checkpoint == nullptr || target.size() < 2) {
      return absl::OkStatus();
    }
    absl::StatusOr<TrainingAnew> anew =
        EstimateTrainingAnew(FinalModel(), target, inputs_.device, stop_);
    if (absl::IsCancelled(anew.status())) return anew.status();
    if (anew.ok()) {
      training_anew_ = *anew;
    } else {
      recorder_.OnWarning(
          absl::StrCat("the cost is not compared: training anew: ", anew.status().message()));
    }
    return absl::OkStatus();
  }

  absl::Status LookInto(nlohmann::json& view) {
    const std::vector<data::Dataset>& sources =
        inputs_.held_out.empty() ? inputs_.sources : inputs_.held_out;
    absl::StatusOr<nlohmann::json> seen = FeatureView(
        FinalModel(), sources, inputs_.method_target(), spec_.seed, inputs_.device, stop_);
    if (!seen.ok()) return seen.status();
    view = *std::move(seen);
    return absl::OkStatus();
  }

  std::unique_ptr<train::Trainer> MakeTrainer() {
    train::TrainerOptions options;
    options.device = inputs_.device;
    options.seed = spec_.seed;
    options.state_every_steps = spec_.state_every_steps;
    train::TrainerHooks hooks;
    hooks.on_metrics = [this](const Progress& progress,
                              const std::map<std::string, double>& values) {
      progress_ = progress;
      for (const auto& [name, value] : values) result_.metrics[name] = value;
      recorder_.OnMetrics(progress, values);
    };
    hooks.on_state = [this](int64_t step) {
      const std::string path = OutputPath(absl::StrCat("training_state_", step, ".safetensors"));
      absl::Status status = SaveState(path);
      if (status.ok()) recorder_.OnTrainingState(step, path);
      return status;
    };
    return std::make_unique<train::Trainer>(*task_, *inputs_.model, inputs_.sources,
                                            *inputs_.target, options, std::move(hooks));
  }

  absl::Status EvaluateInto(Evaluation& evaluation, const std::string& metric) {
    absl::StatusOr<Evaluation> counted =
        Evaluate(FinalModel(), *inputs_.evaluation, inputs_.device, stop_);
    if (!counted.ok()) return counted.status();
    evaluation = *std::move(counted);
    const double accuracy = train::Accuracy(evaluation.confusion);
    result_.metrics[metric] = accuracy;
    recorder_.OnMetrics(progress_, {{metric, accuracy}});
    return absl::OkStatus();
  }

  // The target's own predictions, the model's and the corrected ones, against labels that the
  // method has not seen.
  absl::Status CountTargetPredictions() {
    absl::StatusOr<Evaluation> plain =
        Evaluate(*inputs_.model, *inputs_.target, inputs_.device, stop_);
    if (!plain.ok()) return plain.status();
    source_only_ = *std::move(plain);
    adapted_ = CountProbabilities(task_->target_probabilities(), inputs_.target->labels());
    result_.metrics["source_accuracy"] = train::Accuracy(source_only_.confusion);
    result_.metrics["accuracy"] = train::Accuracy(adapted_.confusion);
    return absl::OkStatus();
  }

  // A state fits the run that made it and no other.
  std::map<std::string, std::string> StateNotes() const {
    return {{"method", spec_.method},
            {"hyperparameters", ToJson(inputs_.hyperparameters).dump()},
            {"seed", absl::StrCat(spec_.seed)},
            {kPrecisionNote, result_.precision},
            {"inputs", nlohmann::json(spec_.lineage).dump()}};
  }

  absl::Status SaveState(const std::string& path) {
    if (trainer_ == nullptr) return absl::InternalError("stopped before there was a state");
    ViewSource();
    train::TrainingState state = trainer_->State();
    if (source_only_.confusion.defined()) {
      state.tensors[kSourceConfusion] = source_only_.confusion;
      state.tensors[kSourceReliability] = source_only_.reliability;
    }
    state.notes = StateNotes();
    if (!view_before_.is_null()) state.notes[kViewBefore] = view_before_.dump();
    return train::WriteTrainingState(path, state);
  }

  absl::Status Resume() {
    absl::StatusOr<train::TrainingState> state = train::ReadTrainingState(spec_.resume_state);
    if (!state.ok()) return state.status();
    state->notes[kPrecisionNote] = RecordedPrecision(*state);
    for (const auto& [key, value] : StateNotes()) {
      if (state->notes[key] != value) {
        return absl::InvalidArgumentError(absl::StrCat("is of another run: its ", key, " is ",
                                                       state->notes[key], ", not ", value));
      }
    }
    const auto confusion = state->tensors.find(kSourceConfusion);
    const auto reliability = state->tensors.find(kSourceReliability);
    if (confusion != state->tensors.end() && reliability != state->tensors.end()) {
      source_only_ = {confusion->second, reliability->second};
    }
    if (const auto view = state->notes.find(kViewBefore); view != state->notes.end()) {
      view_before_ = nlohmann::json::parse(view->second, nullptr, /*allow_exceptions=*/false);
      if (view_before_.is_discarded()) {
        return absl::InvalidArgumentError("training state: its view of the source is damaged");
      }
    }
    return trainer_->Restore(*state);
  }

  absl::Status Save() {
    for (const auto& [name, value] : task_->Metrics()) result_.metrics[name] = value;
    for (const std::string& warning : task_->Warnings()) recorder_.OnWarning(warning);
    if (const std::string& reason = trainer_->graphs().refusal(); !reason.empty()) {
      recorder_.OnWarning(
          absl::StrCat("slower than it could be: a step cannot be recorded for the ",
                       inputs_.device.str(), " to replay: ", reason));
    }
    // While both are on the run's device.
    changed_ = train::Changed(original_, FinalModel().StateDict());
    const Findings findings = Summarize();
    nlohmann::json report = Report(spec_, findings);
    task_->Report(report);
    report["verdict"] = report::Verdict(report);
    trainer_.reset();  // gives the parameters back as they came
    absl::Status status;
    if (inputs_.method->spec.trains) {
      if (status = SaveModel(findings); !status.ok()) return status;
    }
    for (const auto& [file, tensors] : task_->Files()) {
      if (status = io::WriteSafetensors(OutputPath(file), tensors); !status.ok()) return status;
      result_.files.push_back(file);
    }
    result_.files.push_back(kReportFile);
    result_.files.push_back(kPageFile);
    if (status = WriteJson(OutputPath(kReportFile), report); !status.ok()) return status;
    return WriteText(OutputPath(kPageFile), report::RenderHtml(report));
  }

  // The run's own model, or the one that came out in its place.
  model::Model& FinalModel() { return outcome_ != nullptr ? *outcome_ : *inputs_.model; }

  absl::Status SaveModel(const Findings& findings) {
    model::Model& model = FinalModel();
    model.To(at::kCPU);
    RecordNormalization(inputs_.normalization, model.metadata());
    const std::string file = model::FileNameFor(model.form());
    absl::Status status = model.Save(OutputPath(file));
    if (!status.ok()) return status;
    status = io::WriteSafetensors(OutputPath(kChangedFile), changed_);
    if (!status.ok()) return status;
    result_.files = {file, kChangedFile, kLineageFile};
    return WriteJson(OutputPath(kLineageFile), Lineage(spec_, findings, result_.metrics));
  }

  Findings Summarize() {
    recorder_.EndPhase();
    Findings findings;
    findings.hyperparameters = inputs_.hyperparameters;
    findings.normalization = inputs_.normalization;
    findings.device = inputs_.device.str();
    findings.precision = result_.precision;
    findings.steps = trainer_->step();
    findings.seconds_by_phase = recorder_.seconds();
    findings.curves = trainer_->curves().points();
    findings.source_only = source_only_;
    findings.adapted = adapted_;
    findings.evaluated = task_->confusion_matrix();
    findings.view_before = view_before_;
    findings.view_after = view_after_;
    findings.source_prior = LabelShares(inputs_.sources);
    findings.samples = SampleCounts(inputs_);
    findings.metrics = task_->Metrics();
    findings.cost = cost_;
    findings.labels = LabelsOfTarget(inputs_);
    if (spec_.checkpoint != nullptr && inputs_.method->spec.trains) {
      findings.changed_bytes = Bytes(changed_);
    }
    findings.training_anew = training_anew_;
    findings.warnings = recorder_.warnings();
    return findings;
  }

  std::string OutputPath(const std::string& file) const {
    return absl::StrCat(spec_.output_directory, "/", file);
  }

  const RunSpec& spec_;
  Inputs inputs_;
  Recorder& recorder_;
  train::StopSignal stop_;
  train::TensorMap original_;  // the checkpoint's tensors; empty for a fresh start
  train::TensorMap changed_;   // those that are not as they were, once the run has ended
  std::unique_ptr<train::Task> task_;
  std::unique_ptr<train::Trainer> trainer_;
  std::unique_ptr<model::Model> outcome_;  // Task::TakeModel()
  Evaluation source_only_, adapted_;
  const std::shared_ptr<selection::Sights> sights_ = std::make_shared<selection::Sights>();
  nlohmann::json view_before_, view_after_;
  Cost cost_;  // up to the end of the evaluation
  absl::optional<TrainingAnew> training_anew_;
  Progress progress_;
  RunResult result_;
};

}  // namespace

absl::StatusOr<RunResult> Run(const RunSpec& spec, RunObserver& observer) {
  try {
    runtime::ConfigureThreads(spec.threads);
    runtime::SeedEverything(spec.seed);
    Recorder recorder(observer);
    absl::StatusOr<Inputs> inputs = LoadInputs(spec, recorder);
    if (!inputs.ok()) return inputs.status();
    return Session(spec, *std::move(inputs), recorder).Run();
  } catch (...) {
    return StatusFromCurrentException();
  }
}

std::vector<methods::MethodSpec> Catalog() {
  std::vector<methods::MethodSpec> specs;
  for (const methods::MethodEntry& entry : methods::Registry()) specs.push_back(entry.spec);
  return specs;
}

std::vector<std::string> Architectures() { return model::ArchitectureNames(); }

}  // namespace acclimate::job
