#include "core/job/inputs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/data/extremes.h"
#include "core/job/normalization.h"
#include "core/job/precision.h"
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

absl::Status Invalid(const std::string& field, const std::string& message) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", message));
}

std::string SourceField(size_t index) { return absl::StrCat("sources[", index, "]"); }

std::string InputField(const std::string& name) { return absl::StrCat("inputs[\"", name, "\"]"); }

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
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

absl::StatusOr<data::Dataset> ReadDataset(const std::string& field,
                                          const std::shared_ptr<io::MappedFile>& file,
                                          const data::Fields& fields, bool labelled) {
  absl::StatusOr<data::Dataset> dataset = data::Dataset::Read(file, fields);
  if (!dataset.ok()) return InField(field, dataset.status());
  if (labelled && !dataset->has_labels()) return Invalid(field, "has no labels");
  return dataset;
}

// What the model takes of each file; built-in architectures take numbers.
absl::StatusOr<data::Fields> FieldsOfModel(const RunSpec& spec) {
  data::Fields fields;
  if (spec.checkpoint == nullptr) return fields;
  const absl::StatusOr<std::vector<model::ModelInput>> inputs =
      model::ReadModelInputs(spec.checkpoint);
  if (!inputs.ok()) return InField("checkpoint", inputs.status());
  for (const model::ModelInput& input : *inputs) {
    fields.push_back({input.name, input.whole_numbers(), input.vocabulary});
  }
  return fields;
}

absl::Status LoadData(const RunSpec& spec, Inputs& inputs) {
  const MethodSpec& method = inputs.method->spec;
  const absl::StatusOr<data::Fields> fields = FieldsOfModel(spec);
  if (!fields.ok()) return fields.status();
  const bool needs_labels = method.target_labels == DataNeed::kRequired;
  absl::StatusOr<data::Dataset> target = ReadDataset("target", spec.target, *fields, needs_labels);
  if (!target.ok()) return target.status();
  inputs.target = *std::move(target);
  if (method.target_labels == DataNeed::kNone && inputs.target->has_labels()) {
    inputs.unlabelled = inputs.target->WithoutLabels();
  }
  for (size_t i = 0; method.source != DataNeed::kNone && i < spec.sources.size(); ++i) {
    absl::StatusOr<data::Dataset> source =
        ReadDataset(SourceField(i), spec.sources[i], *fields, true);
    if (!source.ok()) return source.status();
    inputs.sources.push_back(*std::move(source));
  }
  if (method.trains && method.labels_are_classes && spec.evaluation != nullptr) {
    absl::StatusOr<data::Dataset> evaluation =
        ReadDataset("evaluation", spec.evaluation, *fields, true);
    if (!evaluation.ok()) return evaluation.status();
    inputs.evaluation = *std::move(evaluation);
  }
  for (const InputSpec& input : method.inputs) {
    const auto given = spec.inputs.find(input.name);
    if (given == spec.inputs.end()) continue;
    if (input.kind == InputSpec::Kind::kFile) inputs.extra.files.insert(*given);
    if (input.kind != InputSpec::Kind::kDataset &&
        input.kind != InputSpec::Kind::kLabelledDataset) {
      continue;
    }
    absl::StatusOr<data::Dataset> dataset =
        ReadDataset(InputField(input.name), given->second, *fields,
                    input.kind == InputSpec::Kind::kLabelledDataset);
    if (!dataset.ok()) return dataset.status();
    inputs.extra.datasets.emplace(input.name, *std::move(dataset));
  }
  return absl::OkStatus();
}

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

using NamedDatasets = std::vector<std::pair<std::string, data::Dataset*>>;

// What the run trains on or adapts to, with the names of the fields.
NamedDatasets Domains(Inputs& inputs) {
  NamedDatasets domains = {{"target", &*inputs.target}};
  for (size_t i = 0; i < inputs.sources.size(); ++i) {
    domains.emplace_back(SourceField(i), &inputs.sources[i]);
  }
  return domains;
}

// All that the run's own model reads.
NamedDatasets AllDatasets(Inputs& inputs) {
  NamedDatasets all = Domains(inputs);
  if (inputs.unlabelled) all.emplace_back("target", &*inputs.unlabelled);
  if (inputs.evaluation) all.emplace_back("evaluation", &*inputs.evaluation);
  return all;
}

constexpr char kInputsOf[] = "_inputs";

// The model "teacher" reads the dataset "teacher_inputs"; null for every other dataset.
const model::Model* ReaderOf(const std::string& dataset, const methods::ExtraInputs& extra) {
  for (const auto& [name, model] : extra.models) {
    if (absl::StrCat(name, kInputsOf) == dataset) return model.get();
  }
  return nullptr;
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
    if (ReaderOf(input.name, inputs.extra) == nullptr) continue;
    inputs.extra.datasets.emplace(input.name, inputs.method_target());
  }
}

// Of a fresh architecture: as told, else those of a model it is to agree with, else of the labels.
int64_t ClassesOfFreshModel(const RunSpec& spec, const Inputs& inputs) {
  if (spec.num_classes > 0) return spec.num_classes;
  int64_t classes = 0;
  for (const auto& [name, model] : inputs.extra.models) {
    classes = std::max(classes, model->num_classes());
  }
  if (classes > 0) return classes;
  if (inputs.method->spec.labels_are_classes) return inputs.target->num_classes();
  return std::get<int64_t>(inputs.hyperparameters.at("ways"));  // of an episode
}

absl::Status CheckShapes(Inputs& inputs) {
  const std::vector<int64_t> expected = inputs.target->sample_shape();
  if (inputs.method->spec.needs_images && expected.size() != 3) {
    return Invalid("target", absl::StrCat(inputs.method->spec.name,
                                          " needs images [channels, height, width]; the samples "
                                          "have shape ",
                                          ShapeText(expected)));
  }
  for (const auto& [field, dataset] : AllDatasets(inputs)) {
    if (dataset->sample_shape() != expected) {
      return Invalid(field, absl::StrCat("samples have shape ", ShapeText(dataset->sample_shape()),
                                         ", those of the target ", ShapeText(expected)));
    }
  }
  return absl::OkStatus();
}

// Labels that are read must be classes of the model.
absl::Status CheckLabels(const std::string& field, const data::Dataset& dataset, int64_t classes) {
  if (dataset.num_classes() <= classes) return absl::OkStatus();
  const at::Tensor& labels = dataset.labels();
  const int64_t index = labels.ge(classes).to(at::kInt).argmax().item<int64_t>();
  return Invalid(absl::StrCat("labels of ", field),
                 absl::StrCat("value ", labels[index].item<int64_t>(), " at index ", index,
                              ", the model has ", classes, " classes"));
}

absl::Status CheckModel(Inputs& inputs, RunObserver& observer) {
  const MethodSpec& method = inputs.method->spec;
  const int64_t classes = inputs.model->num_classes();
  if (method.needs_batch_norm && inputs.model->batch_norm_layers().empty()) {
    return Invalid("checkpoint",
                   absl::StrCat(method.name, " needs batch-norm layers; the model has none"));
  }
  if (method.needs_normalization && inputs.model->normalization_layers().empty()) {
    return Invalid("checkpoint",
                   absl::StrCat(method.name,
                                " needs layers that normalise (batch, layer, group or instance "
                                "norm) and have a scale or a shift; the model has none"));
  }
  if (!method.labels_are_classes) return absl::OkStatus();
  for (const auto& [field, dataset] : AllDatasets(inputs)) {
    const absl::Status status = CheckLabels(field, *dataset, classes);
    if (status.ok()) continue;
    if (field != "target" || method.target_labels == DataNeed::kRequired) return status;
    // Labels of a target that is adapted to without them serve nothing but a metric.
    observer.OnWarning(absl::StrCat(status.message(), "; not used"));
    inputs.target = *inputs.unlabelled;
  }
  return absl::OkStatus();
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
    if (!loaded.ok()) return InField("checkpoint", loaded.status());
    return loaded;
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

absl::Status Normalize(const RunSpec& spec, Inputs& inputs) {
  absl::StatusOr<data::Normalization> normalization =
      ChooseNormalization(spec.mean, spec.std, inputs.model->metadata());
  if (!normalization.ok()) return normalization.status();
  inputs.normalization = *std::move(normalization);
  for (const auto& [field, dataset] : AllDatasets(inputs)) {
    absl::Status status = dataset->SetNormalization(inputs.normalization);
    if (!status.ok()) return InField(field, status);
  }
  for (auto& [name, dataset] : inputs.extra.datasets) {
    const model::Model* reader = ReaderOf(name, inputs.extra);
    absl::StatusOr<data::Normalization> its_own = inputs.normalization;
    if (reader != nullptr) its_own = ChooseNormalization({}, {}, reader->metadata());
    if (!its_own.ok()) return InField(InputField(name), its_own.status());
    absl::Status status = dataset.SetNormalization(*its_own);
    if (!status.ok()) return InField(InputField(name), status);
  }
  return absl::OkStatus();
}

// Batch-norm statistics, and whatever else averages, follow a single such value.
void WarnOfExtremes(Inputs& inputs, RunObserver& observer) {
  constexpr double kFar = 100;  // a normalised value is about 1
  for (const auto& [field, dataset] : Domains(inputs)) {
    const data::Extremes extremes = data::FindExtremes(*dataset, kFar);
    if (extremes.samples == 0) continue;
    observer.OnWarning(absl::StrFormat(
        "%s: %d of %d samples have values beyond %.0f after normalisation, the largest is %g, "
        "value %d of sample %d: give mean and std that fit, or clip what is an error of "
        "measurement",
        field, extremes.samples, dataset->size(), kFar, extremes.value, extremes.place,
        extremes.sample));
  }
}

}  // namespace

const data::Dataset& Inputs::ReadBy(const std::string& name) const {
  const auto own = extra.datasets.find(absl::StrCat(name, kInputsOf));
  return own == extra.datasets.end() ? method_target() : own->second;
}

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
  if (status = LoadData(spec, inputs); !status.ok()) return status;
  if (status = CheckShapes(inputs); !status.ok()) return status;

  observer.OnPhase("loading_model");
  if (status = LoadExtraModels(spec, inputs); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<model::Model>> model = LoadModel(spec, inputs);
  if (!model.ok()) return model.status();
  inputs.model = *std::move(model);
  for (const std::string& warning : inputs.model->warnings()) observer.OnWarning(warning);
  if (status = CheckModel(inputs, observer); !status.ok()) return status;
  if (status = CheckAudit(spec, inputs); !status.ok()) return status;
  ShareTargetWithModels(inputs);
  if (status = Normalize(spec, inputs); !status.ok()) return status;
  WarnOfExtremes(inputs, observer);
  LabelForGuard(spec, inputs);
  HoldOut(spec.seed, inputs);
  inputs.model->To(inputs.device);
  if (status = SetPrecision(spec, observer, inputs); !status.ok()) return status;
  return inputs;
}

}  // namespace acclimate::job
