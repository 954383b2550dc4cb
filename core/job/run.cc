#include "core/job/run.h"

#include <ATen/ATen.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "core/io/tensor_file.h"
#include "core/job/cost.h"
#include "core/job/evaluation.h"
#include "core/job/failure.h"
#include "core/job/feature_view.h"
#include "core/job/input_counts.h"
#include "core/job/inputs.h"
#include "core/job/normalization.h"
#include "core/job/precision.h"
#include "core/job/recorder.h"
#include "core/job/report.h"
#include "core/job/sample_record.h"
#include "core/job/source_findings.h"
#include "core/job/target_predictions.h"
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
#include "core/selection/source_record.h"
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
constexpr char kProbabilitiesFile[] = "probabilities.safetensors";
constexpr char kGuardLabelsNote[] = "guard_labels";

// "17:3 204:0", in the order in which candidates keep what they are right on. Empty: the guard asks
// none.
std::string GuardLabelsText(const RunSpec& spec) {
  if (!spec.use_audit) return "";
  return absl::StrJoin(spec.audit, " ", [](std::string* text, const report::AuditLabel& label) {
    absl::StrAppend(text, label.index, ":", label.label);
  });
}

// One run, from its loaded inputs on.
class Session {
 public:
  Session(const RunSpec& spec, Inputs inputs, Recorder& recorder)
      : spec_(spec),
        inputs_(std::move(inputs)),
        recorder_(recorder),
        stop_([&recorder] { return recorder.NextDirective(); }),
        record_(selection::ReadRecord(inputs_.model->metadata())) {
    result_.precision = runtime::PrecisionName(inputs_.precision);
  }

  absl::StatusOr<RunResult> Run() {
    absl::Status status = Work();
    recorder_.EndPhase();
    if (absl::IsCancelled(status) && stop_.directive() == Directive::kPause) {
      result_.outcome = RunResult::Outcome::kPaused;
      if (trainer_ == nullptr) return result_;  // nothing has been done
      status = SaveState(OutputPath(kStateFile));
      if (!status.ok()) return status;
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
         spec_.checkpoint == nullptr, spec_.time_limit_seconds,
         inputs_.guard_labels ? &*inputs_.guard_labels : nullptr},
        sights_);
    if (!task.ok()) return task.status();
    task_ = *std::move(task);
    if (!spec_.audit.empty() && !PredictsTarget()) {
      return absl::InvalidArgumentError(
          absl::StrCat("audit: ", spec_.method, " predicts nothing for the target's samples"));
    }
    trainer_ = MakeTrainer();
    if (spec_.resume_state != nullptr) {
      absl::Status status = Resume();
      if (!status.ok()) return InField("resume_state", status);
    }
    // A layer of random weights is no source model.
    return spec_.checkpoint == nullptr || inputs_.new_head ? absl::OkStatus() : EvaluateSource();
  }

  // What a state brought is not measured again, nor what the selection will see anyway.
  absl::Status EvaluateSource() {
    absl::optional<selection::Predictions> sample;
    if (absl::Status status = PredictBySource(sample); !status.ok()) return status;
    if (source_.view.is_null() &&
        !methods::SelectsWeights(*inputs_.method, inputs_.method_target())) {
      if (absl::Status status = LookInto(sample, source_.view); !status.ok()) return status;
    }
    if (source_.evaluation.confusion.defined()) {
      NoteAccuracy(source_.evaluation, "source_accuracy");
      return absl::OkStatus();
    }
    return inputs_.evaluation ? EvaluateInto(source_.evaluation, "source_accuracy")
                              : absl::OkStatus();
  }

  // The run ends with a classifier of the target, or with predictions for it.
  bool PredictsTarget() const {
    const methods::MethodSpec& spec = inputs_.method->spec;
    return (spec.trains && spec.labels_are_classes) || task_->target_probabilities().defined();
  }

  // Labels of the target's samples that the report may count predictions against, so that no second
  // pass is needed for it: of a file that is given for the evaluation too, or, where a method
  // corrects predictions, of the target itself. Undefined: there are none.
  at::Tensor CountedLabels() const {
    if (task_->target_probabilities().defined()) return inputs_.target->labels();
    const auto target = spec_.lineage.find("target"), evaluation = spec_.lineage.find("evaluation");
    const bool same = inputs_.evaluation && target != spec_.lineage.end() &&
                      evaluation != spec_.lineage.end() && target->second == evaluation->second;
    return same ? inputs_.evaluation->labels() : at::Tensor();
  }

  // One pass of the model over the target. Where the samples have labels to be counted, `counted`
  // has the result. `sample` is for the view. `append` sees the probabilities.
  absl::StatusOr<TargetPredictions> PassOverTarget(
      model::Model& model, const Temperature& temperature, Evaluation& counted,
      absl::optional<selection::Predictions>& sample,
      const std::function<absl::Status(const at::Tensor& probabilities)>& append) {
    const at::Tensor labels = CountedLabels();
    Evaluation counts = EmptyEvaluation(model.num_classes());
    ViewSamples view(inputs_.method_target().size(), spec_.seed);
    absl::StatusOr<TargetPredictions> predictions = PredictTarget(
        model, inputs_.method_target(), temperature, inputs_.device, stop_,
        [&](int64_t begin, const model::ForwardResult& part, const at::Tensor& probabilities) {
          view.Take(begin, part);
          if (labels.defined()) {
            const at::Tensor of_part = labels.slice(0, begin, begin + part.logits.size(0));
            CountLogits(part.logits, of_part, counts);
          }
          return append(probabilities);
        });
    if (!predictions.ok()) return predictions.status();
    if (labels.defined()) counted = std::move(counts);
    sample = view.Taken();
    return predictions;
  }

  // Before the first step, unless a state brought it.
  absl::Status PredictBySource(absl::optional<selection::Predictions>& sample) {
    if (!PredictsTarget() || source_.predictions.predicted.defined()) return absl::OkStatus();
    // A state of before there were such predictions: the model is no longer the source model.
    if (trainer_->step() > 0) return absl::OkStatus();
    const absl::StatusOr<Temperature> temperature =
        ChooseTemperature(*inputs_.model, inputs_.held_out, record_, inputs_.device, stop_);
    if (!temperature.ok()) return temperature.status();
    absl::StatusOr<TargetPredictions> predictions =
        PassOverTarget(*inputs_.model, *temperature, source_.evaluation, sample,
                       [](const at::Tensor&) { return absl::OkStatus(); });
    if (!predictions.ok()) return predictions.status();
    source_.predictions = *std::move(predictions);
    return absl::OkStatus();
  }

  // Writes probabilities.safetensors, and takes the audit.
  absl::Status PredictByResult(absl::optional<selection::Predictions>& sample) {
    if (!PredictsTarget()) return absl::OkStatus();
    const at::Tensor of_method = task_->target_probabilities();
    absl::StatusOr<Temperature> temperature = Temperature{1, "method"};
    if (!of_method.defined()) {
      const auto own = selection::ReadRecord(FinalModel().metadata());
      temperature = ChooseTemperature(FinalModel(), inputs_.held_out, own ? own : record_,
                                      inputs_.device, stop_);
    }
    if (!temperature.ok()) return temperature.status();
    absl::StatusOr<ProbabilitiesFile> file =
        ProbabilitiesFile::Create(OutputPath(kProbabilitiesFile), inputs_.target->size(),
                                  FinalModel().num_classes(), *temperature, source_.predictions);
    if (!file.ok()) return file.status();
    TargetPredictions predictions;
    if (of_method.defined()) {
      predictions = FromProbabilities(of_method, *temperature);
      if (absl::Status status = file->Append(of_method); !status.ok()) return status;
    } else {
      absl::StatusOr<TargetPredictions> passed =
          PassOverTarget(FinalModel(), *temperature, adapted_, sample,
                         [&file](const at::Tensor& part) { return file->Append(part); });
      if (!passed.ok()) return passed.status();
      predictions = *std::move(passed);
    }
    if (absl::Status status = file->Commit(predictions.predicted); !status.ok()) return status;
    TakeAudit(predictions);
    return absl::OkStatus();
  }

  void TakeAudit(const TargetPredictions& returned) {
    if (spec_.audit.empty()) return;
    std::optional<report::ModelOutputs> source;
    if (source_.predictions.predicted.defined()) source = ToModelOutputs(source_.predictions);
    audit_ = report::ComputeAudit(spec_.audit, source, ToModelOutputs(returned));
    const std::map<std::string, double> metrics = report::AuditMetrics(*audit_);
    for (const auto& [name, value] : metrics) result_.metrics[name] = value;
    recorder_.OnMetrics(progress_, metrics);
  }

  // The selection's first look at the source model, once it has been.
  void ViewSource() {
    if (!sights_->source) return;
    if (source_.view.is_null() && spec_.checkpoint != nullptr) {
      source_.view = FeatureView(*sights_->source);
    }
    sights_->source.reset();
  }

  absl::Status EvaluateResult() {
    ViewSource();
    absl::optional<selection::Predictions> sample;
    absl::Status status = PredictByResult(sample);
    if (!status.ok()) return status;
    if (const at::Tensor corrected = task_->target_probabilities(); corrected.defined()) {
      view_after_ = PredictionView(corrected);
      if (inputs_.target->has_labels()) {
        adapted_ = CountProbabilities(corrected, inputs_.target->labels());
      }
    } else if (sights_->returned) {
      view_after_ = FeatureView(*sights_->returned);
    } else if (inputs_.method->spec.trains) {
      if (status = LookInto(sample, view_after_); !status.ok()) return status;
    }
    if (adapted_.confusion.defined()) {
      NoteAccuracy(adapted_, "accuracy");
    } else if (inputs_.evaluation) {
      status = EvaluateInto(adapted_, "accuracy");
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

  // `sample`: of the target, where there was a pass over it.
  absl::Status LookInto(absl::optional<selection::Predictions>& sample, nlohmann::json& view) {
    const std::vector<data::Dataset>& sources =
        inputs_.held_out.empty() ? inputs_.sources : inputs_.held_out;
    absl::StatusOr<nlohmann::json> seen =
        sample ? FeatureView(FinalModel(), sources, *std::move(sample), spec_.seed, inputs_.device,
                             stop_)
               : FeatureView(FinalModel(), sources, inputs_.method_target(), spec_.seed,
                             inputs_.device, stop_);
    if (!seen.ok()) return seen.status();
    view = *std::move(seen);
    return absl::OkStatus();
  }

  std::unique_ptr<train::Trainer> MakeTrainer() {
    train::TrainerOptions options;
    options.device = inputs_.device;
    options.seed = spec_.seed;
    options.state_every_steps = spec_.state_every_steps;
    options.state_every_seconds = spec_.state_every_seconds;
    train::TrainerHooks hooks;
    hooks.on_metrics = [this](const Progress& progress,
                              const std::map<std::string, double>& values) {
      progress_ = progress;
      for (const auto& [name, value] : values) result_.metrics[name] = value;
      recorder_.OnMetrics(progress, values);
    };
    hooks.on_state = [this](int64_t step) {
      const std::string path = OutputPath(absl::StrCat("training_state_", step, ".safetensors"));
      const absl::Status status = SaveState(path);
      if (status.ok()) {
        recorder_.OnTrainingState(step, path);
      } else {
        recorder_.OnWarning(absl::StrCat("the training state at step ", step,
                                         " was not saved: ", status.message()));
      }
      return absl::OkStatus();
    };
    return std::make_unique<train::Trainer>(*task_, *inputs_.model, inputs_.sources,
                                            *inputs_.target, options, std::move(hooks));
  }

  absl::Status EvaluateInto(Evaluation& evaluation, const std::string& metric) {
    absl::StatusOr<Evaluation> counted =
        Evaluate(FinalModel(), *inputs_.evaluation, inputs_.device, stop_);
    if (!counted.ok()) return counted.status();
    evaluation = *std::move(counted);
    NoteAccuracy(evaluation, metric);
    return absl::OkStatus();
  }

  void NoteAccuracy(const Evaluation& evaluation, const std::string& metric) {
    const double accuracy = train::Accuracy(evaluation.confusion);
    result_.metrics[metric] = accuracy;
    recorder_.OnMetrics(progress_, {{metric, accuracy}});
  }

  // A state fits the run that made it and no other.
  std::map<std::string, std::string> StateNotes() const {
    return {{"method", spec_.method},
            {"hyperparameters", ToJson(inputs_.hyperparameters).dump()},
            {"seed", absl::StrCat(spec_.seed)},
            {kPrecisionNote, result_.precision},
            {"inputs", nlohmann::json(spec_.lineage).dump()},
            {kGuardLabelsNote, GuardLabelsText(spec_)}};
  }

  absl::Status SaveState(const std::string& path) {
    ViewSource();
    train::TrainingState state = trainer_->State();
    state.notes = StateNotes();
    source_.AddTo(state);
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
    absl::StatusOr<SourceFindings> source = SourceFindings::From(*state, inputs_.target->size());
    if (!source.ok()) return source.status();
    source_ = *std::move(source);
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
    if (PredictsTarget()) result_.files.push_back(kProbabilitiesFile);
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
    RecordNormalization(inputs_.normalization.values, model.metadata());
    RecordConventions(inputs_.conventions, model.metadata());
    RecordSample(*inputs_.target, model.metadata());
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
    findings.conventions = inputs_.conventions;
    findings.device = inputs_.device.str();
    findings.precision = result_.precision;
    findings.steps = trainer_->step();
    findings.update_limits = trainer_->limits();
    findings.seconds_by_phase = recorder_.seconds();
    findings.curves = trainer_->curves().points();
    findings.source_only = source_.evaluation;
    findings.adapted = adapted_;
    findings.source_record = record_;
    findings.audit = audit_;
    findings.evaluated = task_->confusion_matrix();
    findings.view_before = source_.view;
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
  const absl::optional<selection::SourceRecord> record_;  // of the checkpoint
  train::TensorMap original_;  // the checkpoint's tensors; empty for a fresh start
  train::TensorMap changed_;   // those that are not as they were, once the run has ended
  std::unique_ptr<train::Task> task_;
  std::unique_ptr<train::Trainer> trainer_;
  std::unique_ptr<model::Model> outcome_;  // Task::TakeModel()
  SourceFindings source_;
  Evaluation adapted_;
  absl::optional<report::Audit> audit_;
  const std::shared_ptr<selection::Sights> sights_ = std::make_shared<selection::Sights>();
  nlohmann::json view_after_;
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
