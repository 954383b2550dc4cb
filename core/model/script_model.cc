#include "core/model/script_model.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/script.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/io/atomic_file.h"
#include "core/io/tensor_file.h"
#include "core/model/batch_norm_moments.h"
#include "core/model/channels_last_graph.h"
#include "core/model/classifier_split.h"
#include "core/model/exported_program.h"
#include "core/model/float_compute.h"
#include "core/model/graph_levels.h"
#include "core/model/mixture.h"
#include "core/model/mode_graph.h"
#include "core/model/output_form.h"
#include "core/model/own_storage.h"
#include "core/model/packed_inputs.h"
#include "core/model/pickle_writer.h"
#include "core/model/single_precision.h"
#include "core/model/state_dict.h"
#include "core/model/weight_draw.h"
#include "core/runtime/autocast.h"
#include "nlohmann/json.hpp"

namespace acclimate::model {
namespace {

using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;

constexpr char kNoParameters[] =
    "the model has no parameters: torch.jit.freeze and optimize_for_inference make constants of "
    "them; save it before, torch.jit.script(model).save(FILE)";

// The place of the features among the outputs of most programs; the logits follow.
constexpr size_t kFeatures = 0;

constexpr Mode kModes[] = {Mode::kEvaluation, Mode::kTraining, Mode::kBatchStatistics};

// "layer1.0.bn1.weight" -> "layer1.0.bn1".
std::string LayerOfTensor(const std::string& path) {
  return path.substr(0, std::max<size_t>(path.rfind('.') + 1, 1) - 1);
}

// Dotted paths of a batch-norm node's tensors; empty where it has none.
struct BatchNormPaths {
  std::string weight, bias, running_mean, running_var;
  double eps;
  size_t node;  // its place in AllNodes() of the evaluation graph

  std::string LayerName() const {
    return LayerOfTensor(running_mean.empty() ? weight : running_mean);
  }
};

// Dotted paths of the scale and the shift of a layer that normalises; empty where it has none.
struct ScaleAndShift {
  std::string scale, shift;

  std::string LayerName() const { return LayerOfTensor(scale.empty() ? shift : scale); }
};

// Which argument of an operator that normalises is its scale; the next one is its shift.
std::optional<size_t> ScaleArgument(const Node* node) {
  const auto kind = node->kind();
  if (kind == c10::aten::batch_norm || kind == c10::aten::instance_norm) return 1;
  if (kind == c10::aten::layer_norm || kind == c10::aten::group_norm) return 2;
  return std::nullopt;
}

// Of every layer that has a scale or a shift, in forward order.
std::vector<ScaleAndShift> ScalesAndShifts(const std::vector<Node*>& nodes) {
  std::vector<ScaleAndShift> layers;
  std::set<std::string> seen;
  for (const Node* node : nodes) {
    const std::optional<size_t> scale = ScaleArgument(node);
    if (!scale) continue;
    const ScaleAndShift layer = {AttributePath(node->input(*scale)).value_or(""),
                                 AttributePath(node->input(*scale + 1)).value_or("")};
    if (layer.scale.empty() && layer.shift.empty()) continue;
    if (seen.insert(layer.LayerName()).second) layers.push_back(layer);
  }
  return layers;
}

BatchNormPaths PathsOf(const Node* node, size_t index) {
  const auto path = [&](size_t input) { return AttributePath(node->input(input)).value_or(""); };
  const auto eps = torch::jit::toIValue(node->input(7));
  return {path(1), path(2), path(3), path(4), eps && eps->isDouble() ? eps->toDouble() : 1e-5,
          index};
}

using Layout = at::MemoryFormat;

// Stores the weights at `paths` so; a kernel of one place is both ways the same.
void StoreWeights(const Module& module, const std::set<std::string>& paths, Layout layout) {
  for (const std::string& path : paths) {
    at::Tensor weight = TensorAt(module, path);
    if (!weight.defined() || weight.dim() != 4 || weight.is_contiguous(layout)) continue;
    weight.set_data(weight.detach().contiguous(layout));
  }
}

}  // namespace

// What depends on the module's code, the mode and the device, but not on its weights.
struct ScriptModel::Programs {
  Programs(const at::Device& where, bool converted, std::vector<ModelInput> taken)
      : device(where), converted_to_float(converted), inputs(std::move(taken)) {}

  static absl::StatusOr<std::shared_ptr<Programs>> Compile(const Module& module,
                                                           const at::Device& device, Split split,
                                                           bool converted_to_float,
                                                           const std::vector<ModelInput>& inputs);
  std::shared_ptr<Graph> Specialise(const Module& module, Mode mode);
  absl::Status AddMode(const Module& module, Mode mode);
  // Without a classifier: the logits are both outputs.
  void AddWholeMode(const Module& module, Mode mode);
  absl::Status Analyse(const Module& module, const ClassifierSplit& split);
  const GraphProgram& BatchNormInput(size_t layer);

  // The program under `key`, compiled at its first use. `features`: as GraphProgram has it.
  template <typename MakeGraph>
  const GraphProgram& Compiled(const std::string& key, std::optional<size_t> features,
                               const MakeGraph& make_graph) {
    const auto found = compiled.find(key);
    if (found != compiled.end()) return found->second;
    return compiled.emplace(key, GraphProgram(make_graph(), key, features)).first->second;
  }
  const std::shared_ptr<Graph>& GraphOf(Mode mode) const {
    return graphs.at(static_cast<size_t>(mode));
  }

  const at::Device device;
  const bool converted_to_float;  // some of the weights: see float_compute.h
  std::vector<ModelInput> inputs;
  std::vector<std::shared_ptr<Graph>> graphs;  // (self, inputs) -> (features, logits), by mode
  std::vector<GraphProgram> forward;           // of those
  std::map<std::string, GraphProgram> compiled;
  std::vector<Level> levels;
  std::optional<GraphProgram> classifier;  // (self, features) -> logits
  std::shared_ptr<Graph> evaluation;
  std::string head_weight;                    // empty where no classifier was found
  std::set<std::string> convolution_weights;  // that are stored channels-last
  int64_t class_dimension = 0;
  std::set<std::string> head_paths;
  std::set<std::string> batch_norm_paths;
  std::vector<BatchNormPaths> batch_norms;           // with stored statistics, in forward order
  std::vector<ScaleAndShift> normalizations;         // in forward order
  std::map<size_t, GraphProgram> batch_norm_inputs;  // compiled at first use
  std::vector<std::string> warnings;
};

absl::StatusOr<std::shared_ptr<ScriptModel::Programs>> ScriptModel::Programs::Compile(
    const Module& module, const at::Device& device, Split split, bool converted_to_float,
    const std::vector<ModelInput>& inputs) {
  auto programs = std::make_shared<Programs>(device, converted_to_float, inputs);
  absl::Status status;
  for (const Mode mode : kModes) {
    if (status = programs->AddMode(module, mode); !status.ok()) break;
  }
  if (status.ok()) return programs;
  if (split == Split::kRequired) return status;
  programs = std::make_shared<Programs>(device, converted_to_float, inputs);
  for (const Mode mode : kModes) programs->AddWholeMode(module, mode);
  return programs;
}

std::shared_ptr<Graph> ScriptModel::Programs::Specialise(const Module& module, Mode mode) {
  std::shared_ptr<Graph> graph = SpecialiseGraph(module, mode, device);
  FillDefaults(module, *graph);
  PackInputs(*graph, inputs);
  if (converted_to_float) CastToFloatInstead(graph.get());
  return graph;
}

void ScriptModel::Programs::AddWholeMode(const Module& module, Mode mode) {
  std::shared_ptr<Graph> graph = Specialise(module, mode);
  torch::jit::Value* const logits = FirstTensor(*graph);
  SetOutputs(graph, {logits, logits});
  forward.emplace_back(graph, "forward", kFeatures);
  graphs.push_back(std::move(graph));
}

absl::Status ScriptModel::Programs::AddMode(const Module& module, Mode mode) {
  std::shared_ptr<Graph> graph = Specialise(module, mode);
  const absl::StatusOr<ClassifierSplit> split = FindClassifier(*graph);
  if (!split.ok()) return split.status();
  if (mode == Mode::kEvaluation) {
    evaluation = graph->copy();
    if (absl::Status status = Analyse(module, *split); !status.ok()) return status;
  }
  SetOutputs(graph, {split->features, split->logits});
  forward.emplace_back(graph, "forward", kFeatures);
  if (mode == Mode::kEvaluation) levels = FindLevels(graph);
  graphs.push_back(std::move(graph));
  return absl::OkStatus();
}

absl::Status ScriptModel::Programs::Analyse(const Module& module, const ClassifierSplit& split) {
  absl::StatusOr<std::shared_ptr<Graph>> head = ClassifierGraph(evaluation);
  if (!head.ok()) return head.status();
  classifier.emplace(*head, "classify", std::nullopt);
  head_paths = AttributePaths(**head);
  head_weight = split.weight;
  convolution_weights = ConvolutionWeights(*evaluation);
  class_dimension = split.class_dimension;
  warnings = ModeWarnings(module, *evaluation);
  if (!split.softmax.empty()) {
    warnings.push_back(
        absl::StrCat("the model ends with ", split.softmax, "; logits are taken before it"));
  }
  const std::vector<Node*> nodes = AllNodes(*evaluation);
  normalizations = ScalesAndShifts(nodes);
  std::set<std::string> seen;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i]->kind() != c10::aten::batch_norm) continue;
    const BatchNormPaths paths = PathsOf(nodes[i], i);
    batch_norm_paths.insert({paths.weight, paths.bias});
    if (paths.running_mean.empty() || paths.running_var.empty()) continue;
    if (!seen.insert(paths.running_mean).second) continue;
    if (nodes[i]->owningBlock() != evaluation->block()) {
      warnings.push_back(absl::StrCat("batch-norm layer ", paths.LayerName(),
                                      " runs inside control flow: its statistics stay"));
      continue;
    }
    batch_norms.push_back(paths);
  }
  return absl::OkStatus();
}

const GraphProgram& ScriptModel::Programs::BatchNormInput(size_t layer) {
  const auto found = batch_norm_inputs.find(layer);
  if (found != batch_norm_inputs.end()) return found->second;
  std::shared_ptr<Graph> graph = evaluation->copy();
  torch::jit::Value* input = AllNodes(*graph).at(batch_norms.at(layer).node)->input(0);
  RemoveChecks(graph);
  SetOutputs(graph, {input});
  return batch_norm_inputs.emplace(layer, GraphProgram(graph, "batch_norm_input", std::nullopt))
      .first->second;
}

absl::StatusOr<std::unique_ptr<Model>> ScriptModel::Create(Module module, Origin origin,
                                                           Split split) {
  if (absl::Status status = CheckSignature(module); !status.ok()) return status;
  module.eval();  // what a saved copy starts in; the programs do not read it
  GiveOwnStorage(module);
  if (StoredTypes types = ConvertToFloat(module); !types.empty()) {
    origin.stored.types = std::move(types);
  }
  if (!origin.stored.types.empty()) origin.warnings.push_back(TypesWarning(origin.stored.types));
  const auto named = module.named_parameters();
  const at::Device device = named.size() > 0 ? (*named.begin()).value.device() : at::kCPU;
  absl::StatusOr<std::shared_ptr<Programs>> programs =
      Programs::Compile(module, device, split, /*converted_to_float=*/!origin.stored.types.empty(),
                        origin.inputs.empty() ? ArgumentsOf(module) : origin.inputs);
  if (!programs.ok()) {
    return named.size() > 0 ? programs.status() : absl::InvalidArgumentError(kNoParameters);
  }
  StoreWeights(module, (*programs)->convolution_weights, Layout::ChannelsLast);
  return std::unique_ptr<Model>(
      new ScriptModel(std::move(module), std::move(origin), *std::move(programs)));
}

ScriptModel::ScriptModel(Module module, Origin origin, std::shared_ptr<Programs> programs)
    : module_(std::move(module)),
      origin_(std::move(origin)),
      programs_(std::move(programs)),
      inputs_(programs_->inputs),
      warnings_(origin_.warnings) {
  CountVocabularies(module_, inputs_);
  warnings_.insert(warnings_.end(), programs_->warnings.begin(), programs_->warnings.end());
  CollectTensors();
}

ScriptModel::~ScriptModel() = default;

void ScriptModel::CollectTensors() {
  std::set<const void*> seen;
  for (const auto& parameter : module_.named_parameters()) {
    // Tied weights count once, under their first name.
    if (!seen.insert(parameter.value.unsafeGetTensorImpl()).second) continue;
    parameters_.push_back({parameter.name, parameter.value,
                           programs_->head_paths.count(parameter.name) > 0,
                           programs_->batch_norm_paths.count(parameter.name) > 0});
  }
  const auto tensor = [this](const std::string& path) {
    return path.empty() ? at::Tensor() : TensorAt(module_, path);
  };
  for (const BatchNormPaths& paths : programs_->batch_norms) {
    batch_norm_layers_.push_back({paths.LayerName(), tensor(paths.weight), tensor(paths.bias),
                                  tensor(paths.running_mean), tensor(paths.running_var),
                                  paths.eps});
  }
  for (const ScaleAndShift& layer : programs_->normalizations) {
    normalization_layers_.push_back({layer.LayerName(), tensor(layer.scale), tensor(layer.shift)});
  }
  if (programs_->head_weight.empty()) return;
  const at::Tensor weight = TensorAt(module_, programs_->head_weight);
  if (weight.dim() == 2) feature_size_ = weight.size(1 - programs_->class_dimension);
}

std::vector<at::Tensor> ScriptModel::Run(const GraphProgram& program, const at::Tensor& input,
                                         const std::vector<at::Tensor>& more) const {
  const runtime::AutocastScope scope(programs_->device.type(), precision_);
  return program.Run(module_, input, more);
}

// Of a layer, as the caller gets it.
at::Tensor ScriptModel::AsResult(const at::Tensor& tensor) const {
  return precision_ == at::kFloat ? tensor : AsFloat(tensor);
}

ForwardResult ScriptModel::ToResult(const at::Tensor& features, const at::Tensor& logits) {
  CheckOutput(logits, programs_->head_weight.empty() ? 0 : num_classes());
  feature_shape_ = features.sizes().slice(1).vec();
  ForwardResult result{features.flatten(1), logits.flatten(1)};
  feature_size_ = result.features.size(1);
  logits_size_ = result.logits.size(1);
  return result;
}

ForwardResult ScriptModel::Forward(const at::Tensor& inputs, Mode mode) {
  const std::vector<at::Tensor> outputs =
      Run(programs_->forward.at(static_cast<size_t>(mode)), inputs);
  return ToResult(outputs[0], outputs[1]);
}

ForwardResult ScriptModel::ForwardWith(const std::map<std::string, at::Tensor>& parameters,
                                       const at::Tensor& inputs, Mode mode) {
  std::vector<std::string> names;
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : parameters) {
    names.push_back(name);
    tensors.push_back(tensor);
  }
  const GraphProgram& program = programs_->Compiled(
      absl::StrCat("with_parameters/", static_cast<int>(mode), "/", absl::StrJoin(names, ",")),
      kFeatures, [&] { return WithParametersAsInputs(programs_->GraphOf(mode), names); });
  const std::vector<at::Tensor> outputs = Run(program, inputs, tensors);
  return ToResult(outputs[0], outputs[1]);
}

const std::vector<Level>& ScriptModel::levels() const { return programs_->levels; }

LevelsResult ScriptModel::ForwardThrough(const std::vector<size_t>& levels,
                                         const at::Tensor& inputs, Mode mode) {
  const GraphProgram& program = programs_->Compiled(
      absl::StrCat("through/", static_cast<int>(mode), "/", absl::StrJoin(levels, ",")),
      /*features=*/levels.size(),
      [&] { return GraphTo(programs_->GraphOf(mode), levels, /*with_outputs=*/true); });
  std::vector<at::Tensor> outputs = Run(program, inputs);
  LevelsResult result;
  result.output = ToResult(outputs[levels.size()], outputs[levels.size() + 1]);
  outputs.resize(levels.size());
  for (const at::Tensor& level : outputs) result.levels.push_back(AsResult(level));
  return result;
}

at::Tensor ScriptModel::ForwardTo(size_t level, const at::Tensor& inputs, Mode mode) {
  const GraphProgram& program = programs_->Compiled(
      absl::StrCat("to/", static_cast<int>(mode), "/", level), /*features=*/std::nullopt,
      [&] { return GraphTo(programs_->GraphOf(mode), {level}, /*with_outputs=*/false); });
  return Run(program, inputs)[0];
}

ForwardResult ScriptModel::ForwardFrom(size_t level, const at::Tensor& tensor, Mode mode) {
  const GraphProgram& program =
      programs_->Compiled(absl::StrCat("from/", static_cast<int>(mode), "/", level), kFeatures,
                          [&] { return GraphFrom(programs_->GraphOf(mode), level); });
  const std::vector<at::Tensor> outputs = Run(program, tensor);
  return ToResult(outputs[0], outputs[1]);
}

at::Tensor ScriptModel::ClassifyFeatures(const at::Tensor& features) {
  if (!programs_->classifier) return features;
  at::Tensor shaped = features;
  if (feature_shape_.size() > 1) {
    std::vector<int64_t> shape{features.size(0)};
    shape.insert(shape.end(), feature_shape_.begin(), feature_shape_.end());
    shaped = features.reshape(shape);
  }
  return programs_->classifier->Run(module_, shaped)[0].flatten(1);
}

int64_t ScriptModel::num_classes() const {
  if (module_.hasattr(kMixtureClasses)) return module_.attr(kMixtureClasses).toInt();
  if (programs_->head_weight.empty()) return logits_size_;
  return TensorAt(module_, programs_->head_weight).size(programs_->class_dimension);
}

at::Tensor ScriptModel::BatchNormInput(size_t layer, const at::Tensor& inputs) {
  return AsResult(Run(programs_->BatchNormInput(layer), inputs)[0]);
}

MomentsResult ScriptModel::ForwardWithMoments(const at::Tensor& inputs, double share) {
  const GraphProgram& program = programs_->Compiled("batch_norm_moments", kFeatures, [&] {
    std::vector<size_t> nodes;
    for (const BatchNormPaths& paths : programs_->batch_norms) nodes.push_back(paths.node);
    return BatchNormMomentsGraph(programs_->evaluation, nodes);
  });
  const std::vector<at::Tensor> outputs =
      Run(program, inputs, {at::scalar_tensor(share, at::kDouble)});
  MomentsResult result;
  result.output = ToResult(outputs[0], outputs[1]);
  for (size_t i = 2; i < outputs.size(); i += 3) {
    result.layers.push_back({outputs[i], outputs[i + 1], outputs[i + 2].item<int64_t>()});
  }
  return result;
}

std::map<std::string, at::Tensor> ScriptModel::StateDict() const {
  std::map<std::string, at::Tensor> state;
  for (const auto& parameter : module_.named_parameters()) state[parameter.name] = parameter.value;
  for (const auto& buffer : module_.named_buffers()) state[buffer.name] = buffer.value;
  return state;
}

absl::Status ScriptModel::LoadStateDict(const std::map<std::string, at::Tensor>& state) {
  return CopyState(state, StateDict());
}

absl::Status ScriptModel::ReplaceHead(int64_t classes) {
  const auto refuse = [](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("the model cannot get a new head: ", why));
  };
  if (origin_.form == CheckpointForm::kExportedProgram) {
    return refuse(
        "a .pt2 has the number of classes written in; export the model with the new layer, or "
        "give it as TorchScript");
  }
  if (programs_->head_weight.empty()) return refuse("it has no classifier layer of its own");
  const at::NoGradGuard no_grad;
  const at::Tensor weight = TensorAt(module_, programs_->head_weight);
  const int64_t rows = weight.size(programs_->class_dimension);
  const int64_t fan_in = weight.numel() / rows;
  std::map<std::string, at::Tensor> fresh;
  for (const auto& parameter : module_.named_parameters()) {
    if (programs_->head_paths.count(parameter.name) == 0) continue;
    const bool is_weight = parameter.name == programs_->head_weight;
    if (!is_weight && (parameter.value.dim() != 1 || parameter.value.size(0) != rows)) {
      return refuse(
          absl::StrCat("behind its features comes more than one layer: ", parameter.name));
    }
    std::vector<int64_t> shape = parameter.value.sizes().vec();
    shape[is_weight ? programs_->class_dimension : 0] = classes;
    fresh[parameter.name] = DrawWeights(shape, fan_in);
  }
  for (const auto& [name, tensor] : fresh) {
    TensorAt(module_, name).set_data(tensor.to(weight.device()));
  }
  logits_size_ = 0;
  return absl::OkStatus();
}

void ScriptModel::To(const at::Device& device) {
  if (device == programs_->device) return;
  module_.to(device);
  // The graphs compiled before: they compile for any device.
  const Split split = programs_->classifier ? Split::kRequired : Split::kWherePossible;
  programs_ =
      Programs::Compile(module_, device, split, programs_->converted_to_float, inputs_).value();
}

std::unique_ptr<Model> ScriptModel::Clone() const {
  at::NoGradGuard no_grad;
  auto clone =
      std::unique_ptr<ScriptModel>(new ScriptModel(module_.deepcopy(), origin_, programs_));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    clone->parameters_[i].tensor.set_requires_grad(parameters_[i].tensor.requires_grad());
  }
  clone->metadata() = metadata();
  clone->precision_ = precision_;
  clone->feature_size_ = feature_size_;
  clone->feature_shape_ = feature_shape_;
  clone->logits_size_ = logits_size_;
  return clone;
}

absl::Status ScriptModel::Save(const std::string& path) const {
  switch (origin_.form) {
    case CheckpointForm::kTorchScript:
      return SaveTorchScript(path);
    case CheckpointForm::kSafetensors:
      return SaveSafetensors(path);
    case CheckpointForm::kPickle:
      return WritePickle(path, AsStored(StateDict(), origin_.stored), origin_.stored.keys);
    case CheckpointForm::kExportedProgram:
      return WriteExportedProgram(*origin_.archive, path, AsStored(StateDict(), origin_.stored),
                                  metadata());
  }
  return absl::InternalError("unknown checkpoint form");
}

absl::Status ScriptModel::SaveSafetensors(const std::string& path) const {
  std::map<std::string, std::string> notes = metadata();
  notes["architecture"] = origin_.architecture;
  notes["num_classes"] = absl::StrCat(num_classes());
  notes["sample_shape"] = absl::StrJoin(origin_.sample_shape, ",");
  return io::WriteSafetensors(path, AsStored(StateDict(), origin_.stored), notes);
}

absl::Status ScriptModel::SaveTorchScript(const std::string& path) const {
  at::NoGradGuard no_grad;
  Module module = module_;
  if (!programs_->device.is_cpu() || !programs_->convolution_weights.empty() ||
      programs_->converted_to_float) {
    module = module_.deepcopy();
    module.to(at::kCPU);
    StoreWeights(module, programs_->convolution_weights, Layout::Contiguous);
    ConvertToStored(module, origin_.stored.types);
  }
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  torch::jit::ExtraFilesMap extra_files;
  if (!metadata().empty()) extra_files[kMetadataRecord] = nlohmann::json(metadata()).dump();
  absl::Status status;
  try {
    const auto write = [&](const void* data, size_t size) -> size_t {
      if (status.ok()) status = file->Write({static_cast<const char*>(data), size});
      return status.ok() ? size : 0;
    };
    torch::jit::ExportModule(module, write, extra_files);
  } catch (const std::exception& error) {
    if (status.ok()) status = absl::InternalError(absl::StrCat("cannot save: ", error.what()));
  }
  return status.ok() ? file->Commit() : status;
}

}  // namespace acclimate::model
