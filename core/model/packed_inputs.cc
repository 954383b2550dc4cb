#include "core/model/packed_inputs.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

#include "absl/strings/str_cat.h"
#include "core/model/mode_graph.h"
#include "core/model/state_dict.h"

namespace acclimate::model {
namespace {

using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;

// Also of values that are casts of `input`.
const Node* EmbeddingOf(const Value* input) {
  for (const torch::jit::Use& use : input->uses()) {
    const Node* const user = use.user;
    if (user->kind() == c10::aten::embedding && use.offset == 1) return user;
    if (user->kind() != c10::aten::to || use.offset != 0) continue;
    if (const Node* const found = EmbeddingOf(user->output()); found != nullptr) return found;
  }
  return nullptr;
}

Value* Cast(Graph& graph, Value* value, at::ScalarType type) {
  Value* const no = graph.insertConstant(false);
  Node* const to = graph.insertNode(
      graph.create(c10::aten::to, {value, graph.insertConstant(static_cast<int64_t>(type)), no, no,
                                   graph.insertConstant(c10::IValue())}));
  to->output()->setType(c10::TensorType::get());
  return to->output();
}

Value* Plane(Graph& graph, Value* packed, size_t index) {
  Node* const select = graph.insertNode(
      graph.create(c10::aten::select, {packed, graph.insertConstant(int64_t{1}),
                                       graph.insertConstant(static_cast<int64_t>(index))}));
  select->output()->setType(c10::TensorType::get());
  return select->output();
}

}  // namespace

absl::Status CheckSignature(const Module& module) {
  const auto method = module.find_method("forward");
  if (!method) return absl::InvalidArgumentError("the TorchScript module has no forward()");
  const auto& arguments = method->function().getSchema().arguments();
  if (arguments.size() < 2) return absl::InvalidArgumentError("forward() takes no tensor");
  for (size_t i = 1; i < arguments.size(); ++i) {
    const bool tensor = arguments[i].type()->isSubtypeOf(*c10::TensorType::get());
    if (!tensor && (i == 1 || !arguments[i].default_value())) {
      return absl::InvalidArgumentError(absl::StrCat("forward() must take tensors; it asks for \"",
                                                     arguments[i].name(), "\", which is of type ",
                                                     arguments[i].type()->annotation_str()));
    }
  }
  return absl::OkStatus();
}

std::vector<ModelInput> ArgumentsOf(const Module& module) {
  const auto& arguments = module.get_method("forward").function().getSchema().arguments();
  std::vector<ModelInput> inputs;
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (i == 1 || !arguments[i].default_value()) inputs.emplace_back().name = arguments[i].name();
  }
  return inputs;
}

void FillDefaults(const Module& module, Graph& graph) {
  const auto& arguments = module.get_method("forward").function().getSchema().arguments();
  for (size_t i = arguments.size() - 1; i >= 2; --i) {
    if (!arguments[i].default_value()) continue;
    torch::jit::WithInsertPoint guard(*graph.nodes().begin());
    graph.inputs().at(i)->replaceAllUsesWith(graph.insertConstant(*arguments[i].default_value()));
    graph.eraseInput(i);
  }
}

void PackInputs(Graph& graph, std::vector<ModelInput>& inputs) {
  bool whole_numbers = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Node* const embedding = EmbeddingOf(graph.inputs().at(i + 1));
    if (embedding != nullptr) {
      inputs[i].embedding = AttributePath(embedding->input(0)).value_or("");
      if (!inputs[i].whole_numbers()) inputs[i].type = at::kLong;
    }
    whole_numbers |= inputs[i].whole_numbers();
  }
  if (inputs.size() == 1 && !whole_numbers) return;
  Value* const packed = graph.insertInput(1, "packed");
  packed->setType(c10::TensorType::get());
  const torch::jit::WithInsertPoint at_the_start(*graph.nodes().begin());
  for (size_t i = 0; i < inputs.size(); ++i) {
    Value* value = inputs.size() == 1 ? packed : Plane(graph, packed, i);
    if (inputs[i].type != at::kFloat) value = Cast(graph, value, inputs[i].type);
    graph.inputs().at(2)->replaceAllUsesWith(value);
    graph.eraseInput(2);
  }
}

void CountVocabularies(const Module& module, std::vector<ModelInput>& inputs) {
  for (ModelInput& input : inputs) {
    if (!input.embedding.empty()) input.vocabulary = TensorAt(module, input.embedding).size(0);
  }
}

std::vector<ModelInput> InputsOf(const Module& module, std::vector<ModelInput> known) {
  std::vector<ModelInput> inputs = known.empty() ? ArgumentsOf(module) : std::move(known);
  const std::shared_ptr<Graph> graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  FillDefaults(module, *graph);
  PackInputs(*graph, inputs);
  CountVocabularies(module, inputs);
  return inputs;
}

}  // namespace acclimate::model
