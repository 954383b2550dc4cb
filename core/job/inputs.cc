#include "core/job/inputs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/job/dataset_reader.h"
#include "core/job/normalized_inputs.h"
#include "core/job/precision.h"
#include "core/methods/needs.h"
#include "core/methods/perturbations.h"
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

LabelUse UseOf(bool required) { return required ? LabelUse::kRequired : LabelUse::kWelcome; }

// The method's own datasets and files.
absl::Status LoadExtraData(const RunSpec& spec, DatasetReader& reader, Inputs& inputs) {
  for (const InputSpec& input : inputs.method->spec.inputs) {
    const auto given = spec.inputs.find(input.name);
    if (given == spec.inputs.end()) continue;
    if (input.kind == InputSpec::Kind::kFile) inputs.extra.files.insert(*given);
    if (input.kind != InputSpec::Kind::kDataset &&
        input.kind != InputSpec::Kind::kLabelledDataset) {
      continue;
    }
    absl::StatusOr<data::Dataset> dataset =
        reader.Read(InputField(input.name), given->second,
                    UseOf(input.kind == InputSpec::Kind::kLabelledDataset));
    if (!dataset.ok()) return dataset.status();
    inputs.extra.datasets.emplace(input.name, *std::move(dataset));
  }
  return absl::OkStatus();
}

// The sources first: a table's coding is made from them.
absl::Status LoadData(const RunSpec& spec, DatasetReader& reader, Inputs& inputs) {
  const MethodSpec& method = inputs.method->spec;
  for (size_t i = 0; method.source != DataNeed::kNone && i < spec.sources.size(); ++i) {
    absl::StatusOr<data::Dataset> source =
        reader.Read(SourceField(i), spec.sources[i], LabelUse::kRequired);
    if (!source.ok()) return source.status();
    inputs.sources.push_back(*std::move(source));
  }
  absl::StatusOr<data::Dataset> target =
      reader.Read("target", spec.target, UseOf(method.target_labels == DataNeed::kRequired));
  if (!target.ok()) return target.status();
  inputs.target = *std::move(target);
  if (method.target_labels == DataNeed::kNone && inputs.target->has_labels()) {
    inputs.unlabelled = inputs.target->WithoutLabels();
  }
  if (method.trains && method.labels_are_classes && spec.evaluation != nullptr) {
    absl::StatusOr<data::Dataset> evaluation =
        reader.Read("evaluation", spec.evaluation, LabelUse::kRequired);
    if (!evaluation.ok()) return evaluation.status();
    inputs.evaluation = *std::move(evaluation);
  }
  return LoadExtraData(spec, reader, inputs);
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

absl::Status CheckShapes(Inputs& inputs) {
  const std::vector<int64_t> expected = inputs.target->sample_shape();
  if (inputs.method->spec.needs_images && expected.size() != 3) {
    return Invalid("target", absl::StrCat(inputs.method->spec.name,
                                          " needs images [channels, height, width]; the samples "
                                          "have shape ",
                                          ShapeText(expected)));
  }
  for (const auto& [field, dataset] : inputs.AllDatasets()) {
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

// That views may put the token in the place of others.
absl::Status CheckMaskToken(const Inputs& inputs) {
  const auto setting = inputs.hyperparameters.find(methods::kMaskTokenSetting);
  if (setting == inputs.hyperparameters.end()) return absl::OkStatus();
  const int64_t token = std::get<int64_t>(setting->second);
  const model::ModelInput& first = inputs.model->inputs().front();
  if (token >= 0 && !first.whole_numbers()) {
    return Invalid(methods::kMaskTokenSetting, "the model takes no token ids");
  }
  if (first.vocabulary == 0 || token < first.vocabulary) return absl::OkStatus();
  return Invalid(
      methods::kMaskTokenSetting,
      absl::StrCat(token, ", but the model knows the tokens 0 to ", first.vocabulary - 1));
}

absl::Status CheckModel(Inputs& inputs, RunObserver& observer) {
  if (absl::Status status = CheckMaskToken(inputs); !status.ok()) return status;
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
  for (const auto& [field, dataset] : inputs.AllDatasets()) {
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
  if (status = LoadData(spec, *reader, inputs); !status.ok()) return status;
  inputs.conventions = reader->conventions();
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
  if (status = NormalizeInputs(spec, *reader, inputs, observer); !status.ok()) return status;
  LabelForGuard(spec, inputs);
  HoldOut(spec.seed, inputs);
  inputs.model->To(inputs.device);
  if (status = SetPrecision(spec, observer, inputs); !status.ok()) return status;
  return inputs;
}

}  // namespace acclimate::job
