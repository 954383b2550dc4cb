#include "core/job/inputs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/bad_data.h"
#include "core/job/data_warnings.h"
#include "core/job/dataset_reader.h"
#include "core/job/input_checks.h"
#include "core/job/new_head.h"
#include "core/job/normalized_inputs.h"
#include "core/job/precision.h"
#include "core/job/sample_record.h"
#include "core/methods/needs.h"
#include "core/methods/registry.h"
#include "core/methods/selection.h"
#include "core/model/architectures.h"
#include "core/model/checkpoint.h"
#include "core/runtime/device.h"

namespace acclimate::job {
namespace {

using methods::DataNeed;
using methods::InputSpec;
using methods::MethodSpec;

constexpr char kInputsOf[] = "_inputs";

absl::Status Invalid(const std::string& field, const std::string& message) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", message));
}

std::string FieldOf(const methods::NeedProblem& problem) {
  switch (problem.what) {
    case methods::NeedProblem::What::kCheckpoint:
      return "checkpoint";
    case methods::NeedProblem::What::kArchitecture:
      return "architecture";
    case methods::NeedProblem::What::kSources:
      return "sources";
    case methods::NeedProblem::What::kTarget:
      return "target";
    case methods::NeedProblem::What::kInput:
      return InputField(problem.input);
  }
  return "";
}

// What the spec alone shows to be missing, or not to be used.
absl::Status CheckSpec(const MethodSpec& method, const RunSpec& spec, RunObserver& observer) {
  methods::Given given = {spec.checkpoint != nullptr,
                          !spec.architecture.empty(),
                          !spec.sources.empty(),
                          spec.target != nullptr,
                          {}};
  for (const auto& [name, file] : spec.inputs) given.inputs.insert(name);
  for (const methods::NeedProblem& problem : methods::CheckNeeds(method, given)) {
    if (!problem.superfluous) return Invalid(FieldOf(problem), problem.description);
    observer.OnWarning(absl::StrCat(FieldOf(problem), ": not used; ", problem.description));
  }
  if (!method.trains && spec.evaluation != nullptr) {
    observer.OnWarning(absl::StrCat("evaluation: ", method.name, " evaluates the target itself"));
  }
  if (!method.labels_are_classes && spec.evaluation != nullptr) {
    observer.OnWarning(
        absl::StrCat("evaluation: not used; ", method.name, " learns no classes of its own"));
  }
  return absl::OkStatus();
}

LabelUse UseOf(bool required) { return required ? LabelUse::kRequired : LabelUse::kWelcome; }

// Reads the files of a run, one after the other, and keeps every obstacle: whoever mends a file
// should hear of all of them at once.
class DataLoading {
 public:
  DataLoading(const RunSpec& spec, DatasetReader& reader, RunObserver& observer, Inputs& inputs)
      : spec_(spec), reader_(reader), observer_(observer), inputs_(inputs) {}

  // The sources first: a table's coding and class names are made from them.
  absl::Status Load() {
    const MethodSpec& method = inputs_.method->spec;
    for (size_t i = 0; method.source != DataNeed::kNone && i < spec_.sources.size(); ++i) {
      auto source = Read(SourceField(i), spec_.sources[i], LabelUse::kRequired);
      if (source) inputs_.sources.push_back(*std::move(source));
    }
    inputs_.target =
        Read("target", spec_.target, UseOf(method.target_labels == DataNeed::kRequired));
    if (inputs_.target && method.target_labels == DataNeed::kNone && inputs_.target->has_labels()) {
      inputs_.unlabelled = inputs_.target->WithoutLabels();
    }
    if (method.trains && method.labels_are_classes && spec_.evaluation != nullptr) {
      inputs_.evaluation = Read("evaluation", spec_.evaluation, LabelUse::kReported);
      if (inputs_.evaluation && !inputs_.evaluation->has_labels()) {
        observer_.OnWarning("evaluation: not used; every label is -1, which means none");
        inputs_.evaluation.reset();
      }
    }
    LoadExtra();
    return problems_.status();
  }

 private:
  // The method's own datasets and files.
  void LoadExtra() {
    for (const InputSpec& input : inputs_.method->spec.inputs) {
      const auto given = spec_.inputs.find(input.name);
      if (given == spec_.inputs.end()) continue;
      if (input.kind == InputSpec::Kind::kFile) inputs_.extra.files.insert(*given);
      if (input.kind != InputSpec::Kind::kDataset &&
          input.kind != InputSpec::Kind::kLabelledDataset) {
        continue;
      }
      auto dataset = Read(InputField(input.name), given->second,
                          UseOf(input.kind == InputSpec::Kind::kLabelledDataset));
      if (dataset) inputs_.extra.datasets.emplace(input.name, *std::move(dataset));
    }
  }

  absl::optional<data::Dataset> Read(const std::string& field,
                                     const std::shared_ptr<io::MappedFile>& file, LabelUse use) {
    absl::StatusOr<data::Dataset> dataset = reader_.Read(field, file, use);
    if (dataset.ok()) return *std::move(dataset);
    problems_.Add(dataset.status());
    return absl::nullopt;
  }

  const RunSpec& spec_;
  DatasetReader& reader_;
  RunObserver& observer_;
  Inputs& inputs_;
  data::Problems problems_;
};

// Of a source with `samples`: a twentieth, so many more of a small one that an accuracy can be read
// off them, and no more than validators look at.
int64_t HeldOutSamples(int64_t samples) {
  constexpr int64_t kEnough = 500, kMost = 2000;
  return std::clamp(samples / 20, std::min(kEnough, samples / 10), kMost);
}

// Splits every source in two, by the run's seed.
void HoldOut(uint64_t seed, Inputs& inputs) {
  if (!inputs.method->spec.holds_out_source) return;
  for (data::Dataset& source : inputs.sources) {
    const int64_t count = HeldOutSamples(source.size());
    if (count == 0) continue;
    const at::Tensor order = at::randperm(source.size(), at::detail::createCPUGenerator(seed),
                                          at::TensorOptions(at::kLong));
    const at::Tensor kept = std::get<0>(order.slice(0, count).sort());
    inputs.held_out.push_back(source.Subset(order.slice(0, 0, count)));
    source = source.Subset(kept);
  }
}

absl::Status LoadExtraModels(const RunSpec& spec, Inputs& inputs) {
  for (const InputSpec& input : inputs.method->spec.inputs) {
    const auto given = spec.inputs.find(input.name);
    if (input.kind != InputSpec::Kind::kModel || given == spec.inputs.end()) continue;
    model::LoadOptions options;
    options.sample_shape = inputs.ReadBy(input.name).sample_shape();
    absl::StatusOr<std::unique_ptr<model::Model>> loaded =
        model::LoadCheckpoint(given->second, options);
    if (!loaded.ok()) return InField(InputField(input.name), loaded.status());
    (*loaded)->To(inputs.device);
    inputs.extra.models.emplace(input.name, *std::move(loaded));
  }
  return absl::OkStatus();
}

// A model that may have a dataset of its own and was given none reads the target, but normalised
// as it records itself.
void ShareTargetWithModels(Inputs& inputs) {
  for (const InputSpec& input : inputs.method->spec.inputs) {
    if (input.kind != InputSpec::Kind::kDataset) continue;
    if (inputs.ReaderOf(input.name) == nullptr) continue;
    inputs.extra.datasets.emplace(input.name, inputs.method_target());
  }
}

// Of a fresh architecture: as told, else those of a model it is to agree with, else of the labels.
int64_t ClassesOfFreshModel(const RunSpec& spec, const Inputs& inputs) {
  if (spec.num_classes > 0) return spec.num_classes;
  auto classes = static_cast<int64_t>(inputs.conventions.class_names.size());
  for (const auto& [name, model] : inputs.extra.models) {
    classes = std::max(classes, model->num_classes());
  }
  if (classes > 0) return classes;
  if (inputs.method->spec.labels_are_classes) return inputs.target->num_classes();
  return std::get<int64_t>(inputs.hyperparameters.at("ways"));  // of an episode
}

// That there is a guard to ask the audit's labels, and something for it to decide.
absl::Status CheckUseOfAudit(const RunSpec& spec, const Inputs& inputs) {
  if (!spec.use_audit) return absl::OkStatus();
  if (spec.audit.empty()) return Invalid("use_audit", "there is no audit to use");
  const auto guard = inputs.hyperparameters.find(methods::kGuardSetting);
  if (guard == inputs.hyperparameters.end()) {
    return Invalid("use_audit", absl::StrCat(spec.method, " has no guard that could ask it"));
  }
  if (std::get<std::string>(guard->second) == "off") {
    return Invalid("use_audit", "the guard, which would ask it, is off");
  }
  if (inputs.target->size() < methods::kLeastTargetSamples) {
    return Invalid("use_audit",
                   absl::StrCat("nothing is chosen by ", inputs.target->size(),
                                " target samples, under ", methods::kLeastTargetSamples));
  }
  return absl::OkStatus();
}

// Labels that are only reported tell nothing of a model that has learned them.
absl::Status CheckAudit(const RunSpec& spec, const Inputs& inputs) {
  if (absl::Status status = CheckUseOfAudit(spec, inputs); !status.ok()) return status;
  if (spec.audit.empty()) return absl::OkStatus();
  if (inputs.method->spec.target_labels == DataNeed::kRequired) {
    return Invalid("audit", absl::StrCat(spec.method, " takes the labels of the target itself"));
  }
  return InField("audit", report::CheckAuditLabels(spec.audit, inputs.target->size(),
                                                   inputs.model->num_classes()));
}

// Once the target is normalised.
void LabelForGuard(const RunSpec& spec, Inputs& inputs) {
  if (!spec.use_audit) return;
  std::vector<int64_t> indices, labels;
  for (const report::AuditLabel& label : spec.audit) {
    indices.push_back(label.index);
    labels.push_back(label.label);
  }
  inputs.guard_labels = selection::GuardLabels{
      inputs.target->Subset(at::tensor(indices, at::kLong), /*labels=*/false),
      at::tensor(labels, at::kLong)};
}

absl::StatusOr<std::unique_ptr<model::Model>> LoadModel(const RunSpec& spec, const Inputs& inputs) {
  if (spec.checkpoint != nullptr) {
    model::LoadOptions options;
    options.architecture = spec.architecture;
    options.sample_shape = inputs.target->sample_shape();
    options.logits_only = !inputs.method->spec.needs_features;
    absl::StatusOr<std::unique_ptr<model::Model>> loaded =
        model::LoadCheckpoint(spec.checkpoint, options);
    if (loaded.ok()) return loaded;
    absl::Status status = InField("checkpoint", loaded.status());
    const auto& pictures = inputs.conventions.pictures;
    if (pictures && absl::StrContains(status.message(), "does not take samples")) {
      return absl::Status(
          status.code(),
          absl::StrCat(status.message(), "; the pictures were read with ", pictures->channels,
                       " channels: give the size, and 1 or 3 channels, that the model takes"));
    }
    return status;
  }
  model::ArchitectureOptions options;
  options.name = spec.architecture;
  options.sample_shape = inputs.target->sample_shape();
  options.num_classes = ClassesOfFreshModel(spec, inputs);
  if (options.num_classes == 0) {
    return Invalid("num_classes", "needed for a fresh architecture where there are no labels");
  }
  absl::StatusOr<std::unique_ptr<model::Model>> built = model::BuildArchitecture(options);
  if (!built.ok()) return InField("architecture", built.status());
  return built;
}

}  // namespace

const data::Dataset& Inputs::ReadBy(const std::string& name) const {
  const auto own = extra.datasets.find(absl::StrCat(name, kInputsOf));
  return own == extra.datasets.end() ? method_target() : own->second;
}

Inputs::NamedDatasets Inputs::Domains() {
  NamedDatasets domains = {{"target", &*target}};
  for (size_t i = 0; i < sources.size(); ++i) domains.emplace_back(SourceField(i), &sources[i]);
  return domains;
}

Inputs::NamedDatasets Inputs::AllDatasets() {
  NamedDatasets all = Domains();
  if (unlabelled) all.emplace_back("target", &*unlabelled);
  if (evaluation) all.emplace_back("evaluation", &*evaluation);
  return all;
}

const model::Model* Inputs::ReaderOf(const std::string& dataset) const {
  for (const auto& [name, model] : extra.models) {
    if (absl::StrCat(name, kInputsOf) == dataset) return model.get();
  }
  return nullptr;
}

std::string SourceField(size_t index) { return absl::StrCat("sources[", index, "]"); }

std::string InputField(const std::string& name) { return absl::StrCat("inputs[\"", name, "\"]"); }

absl::Status InField(const std::string& field, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(field, ": ", status.message()));
}

namespace {

void DivideBatch(int64_t divisor, methods::Hyperparameters& hyperparameters,
                 RunObserver& observer) {
  const auto found = hyperparameters.find("batch_size");
  if (divisor <= 1 || found == hyperparameters.end()) return;
  int64_t& batch_size = std::get<int64_t>(found->second);
  constexpr int64_t kLeast = 2;  // that every method takes
  const int64_t smaller = std::max(std::min(kLeast, batch_size), batch_size / divisor);
  observer.OnWarning(absl::StrCat("batch_size is ", smaller, " in place of ", batch_size,
                                  ", with which an attempt ran out of memory"));
  batch_size = smaller;
}

}  // namespace

absl::StatusOr<Inputs> LoadInputs(const RunSpec& spec, RunObserver& observer) {
  Inputs inputs;
  inputs.method = methods::FindMethod(spec.method);
  if (inputs.method == nullptr) {
    return Invalid("method", absl::StrCat("there is no \"", spec.method, "\""));
  }
  absl::StatusOr<methods::Hyperparameters> resolved =
      methods::ResolveHyperparameters(inputs.method->spec, spec.hyperparameters);
  if (!resolved.ok()) return resolved.status();
  inputs.hyperparameters = *std::move(resolved);
  DivideBatch(spec.batch_divisor, inputs.hyperparameters, observer);
  absl::StatusOr<at::Device> device = runtime::ResolveDevice(spec.device);
  if (!device.ok()) return InField("device", device.status());
  inputs.device = *device;
  absl::Status status = CheckSpec(inputs.method->spec, spec, observer);
  if (!status.ok()) return status;

  observer.OnPhase("loading_data");
  absl::StatusOr<DatasetReader> reader = DatasetReader::Create(spec, observer);
  if (!reader.ok()) return reader.status();
  if (MayHaveNewHead(spec, inputs)) reader->AllowOtherClasses();
  if (status = DataLoading(spec, *reader, observer, inputs).Load(); !status.ok()) return status;
  inputs.conventions = reader->conventions();
  if (status = CheckShapes(inputs); !status.ok()) return status;
  std::vector<std::string> warnings;
  const absl::StatusOr<data::Normalization> recorded = RecordedNormalization(reader->recorded());
  const bool raw_bytes = spec.normalization.raw_bytes || (recorded.ok() && recorded->raw_bytes);
  status = CompareSample(*inputs.target, reader->recorded(), raw_bytes, warnings);
  if (!status.ok()) return InField("target", status);
  for (const std::string& warning : warnings) {
    observer.OnWarning(absl::StrCat("target: ", warning));
  }
  const bool fresh_classes = spec.checkpoint == nullptr || MayHaveNewHead(spec, inputs);
  if (fresh_classes) {
    if (status = CheckCountFromZero(spec, inputs); !status.ok()) return status;
  }

  observer.OnPhase("loading_model");
  if (status = LoadExtraModels(spec, inputs); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<model::Model>> model = LoadModel(spec, inputs);
  if (!model.ok()) return model.status();
  inputs.model = *std::move(model);
  for (const std::string& warning : inputs.model->warnings()) observer.OnWarning(warning);
  absl::StatusOr<bool> new_head = MakeNewHead(spec, reader->has_other_classes(), inputs, observer);
  if (!new_head.ok()) return new_head.status();
  inputs.new_head = *new_head;
  if (status = CheckModel(inputs, observer); !status.ok()) return status;
  if (status = CheckAudit(spec, inputs); !status.ok()) return status;
  ShareTargetWithModels(inputs);
  if (status = NormalizeInputs(spec, *reader, inputs, observer); !status.ok()) return status;
  for (const std::string& warning : WarningsOfData(inputs)) observer.OnWarning(warning);
  LabelForGuard(spec, inputs);
  HoldOut(spec.seed, inputs);
  inputs.model->To(inputs.device);
  if (status = SetPrecision(spec, observer, inputs); !status.ok()) return status;
  return inputs;
}

}  // namespace acclimate::job
