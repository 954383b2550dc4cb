#include "core/model/mode_graph.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_pooling.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/passes/lower_tuples.h>
#include <torch/csrc/jit/passes/peephole.h>
#include <torch/csrc/jit/passes/remove_mutation.h>
#include <torch/script.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace acclimate::model {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;
namespace aten = c10::aten;
namespace attr = c10::attr;
namespace prim = c10::prim;

// Arguments of aten::batch_norm and aten::instance_norm.
constexpr size_t kRunningMean = 3;
constexpr size_t kRunningVar = 4;

void Collect(c10::ArrayRef<const Block*> blocks, std::vector<Node*>* nodes);
void Collect(const Block* block, std::vector<Node*>* nodes) {
  for (const Node* node : block->nodes()) {
    nodes->push_back(const_cast<Node*>(node));
    Collect(node->blocks(), nodes);
  }
}
void Collect(c10::ArrayRef<const Block*> blocks, std::vector<Node*>* nodes) {
  for (const Block* block : blocks) Collect(block, nodes);
}

bool IsAttribute(const Value* value, const char* name) {
  return value->node()->kind() == prim::GetAttr && value->node()->s(attr::name) == name;
}

bool IsNone(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  return value->type()->kind() == c10::TypeKind::NoneType || (constant && constant->isNone());
}

bool IsNormalisation(const Node* node) {
  return node->kind() == aten::batch_norm || node->kind() == aten::instance_norm;
}

// The position of an operator's argument of that name; -1 when it has none.
int ArgumentOf(const Node* node, const char* name) {
  const c10::FunctionSchema* schema = node->maybeSchema();
  if (schema == nullptr) return -1;
  const std::vector<c10::Argument>& arguments = schema->arguments();
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].name() == name) return static_cast<int>(i);
  }
  return -1;
}

// The position of an operator's train/eval argument, whatever the operator; -1 when it has none.
int TrainArgument(const Node* node) {
  const c10::FunctionSchema* schema = node->maybeSchema();
  if (schema == nullptr) return -1;
  const std::vector<c10::Argument>& arguments = schema->arguments();
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i].name();
    if (name == "train" || name == "training" || name == "use_input_stats") {
      return static_cast<int>(i);
    }
  }
  return -1;
}

void FoldTrainingAttributes(Graph* graph, bool training) {
  for (Node* node : AllNodes(*graph)) {
    if (node->kind() != prim::GetAttr || !IsAttribute(node->output(), "training")) continue;
    if (node->output()->type()->kind() != c10::TypeKind::BoolType) continue;
    torch::jit::WithInsertPoint guard(node);
    node->output()->replaceAllUsesWith(graph->insertConstant(training));
  }
}

void RewriteBakedFlags(Graph* graph, bool training) {
  for (Node* node : AllNodes(*graph)) {
    const int argument = TrainArgument(node);
    if (argument < 0) continue;
    const auto flag = torch::jit::toIValue(node->input(argument));
    // Without stored statistics a normalisation always uses those of the batch.
    const bool wanted = training || (IsNormalisation(node) && IsNone(node->input(kRunningMean)));
    if (!flag || !flag->isBool() || flag->toBool() == wanted) continue;
    torch::jit::WithInsertPoint guard(node);
    node->replaceInput(argument, graph->insertConstant(wanted));
  }
}

// Attention takes its dropout as a plain number, which a trace in training mode bakes in.
void StopAttentionDropout(Graph* graph) {
  for (Node* node : AllNodes(*graph)) {
    const int argument = ArgumentOf(node, "dropout_p");
    if (argument < 0 || !torch::jit::toIValue(node->input(argument))) continue;
    torch::jit::WithInsertPoint guard(node);
    node->replaceInput(argument, graph->insertConstant(0.0));
  }
}

void UseBatchStatistics(Graph* graph) {
  for (Node* node : AllNodes(*graph)) {
    if (node->kind() != aten::batch_norm) continue;
    torch::jit::WithInsertPoint guard(node);
    Value* none = graph->insertConstant(c10::IValue());
    node->replaceInput(kRunningMean, none);
    node->replaceInput(kRunningVar, none);
    node->replaceInput(TrainArgument(node), graph->insertConstant(true));
  }
}

void MoveConstants(Graph* graph, const at::Device& device) {
  for (Node* node : AllNodes(*graph)) {
    if (node->kind() != prim::Constant) continue;
    const auto value = torch::jit::toIValue(node->output());
    if (!value || !(value->isDevice() || value->isTensor())) continue;
    if (value->isTensor() && value->toTensor().device() == device) continue;
    if (value->isDevice() && value->toDevice() == device) continue;
    torch::jit::WithInsertPoint guard(node);
    const c10::IValue moved =
        value->isDevice() ? c10::IValue(device) : c10::IValue(value->toTensor().to(device));
    node->output()->replaceAllUsesWith(graph->insertConstant(moved));
  }
}

void Simplify(std::shared_ptr<Graph>& graph) {
  torch::jit::ConstantPropagation(graph);
  torch::jit::LowerSimpleTuples(graph);
  torch::jit::PeepholeOptimize(graph);
  torch::jit::EliminateDeadCode(graph);
  // Writes to the module's own tensors (running statistics) must stay.
  torch::jit::RemoveTensorMutation(graph, [](Node* node) {
    return node->inputs().empty() || node->input(0)->node()->kind() != prim::GetAttr;
  });
  torch::jit::EliminateDeadCode(graph);
  torch::jit::ConstantPooling(graph);
}

bool DrawsRandomNumbers(const Node* node) {
  static const auto* kDraws = new std::set<std::string>{
      "aten::bernoulli",  "aten::bernoulli_", "aten::rand",     "aten::rand_like",
      "aten::randn",      "aten::randn_like", "aten::randint",  "aten::randperm",
      "aten::normal",     "aten::normal_",    "aten::uniform_", "aten::exponential_",
      "aten::multinomial"};
  return kDraws->count(node->kind().toQualString()) > 0;
}

// A traced graph never reads a `training` attribute.
bool ReadsTrainingAttribute(const torch::jit::Module& module) {
  const auto graph =
      torch::jit::toGraphFunction(module.get_method("forward").function()).graph()->copy();
  torch::jit::Inline(*graph);
  for (const Node* node : AllNodes(*graph)) {
    if (node->kind() == prim::GetAttr && IsAttribute(node->output(), "training")) return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<Graph> SpecialiseGraph(const torch::jit::Module& module, Mode mode,
                                       const at::Device& device) {
  std::shared_ptr<Graph> graph =
      torch::jit::toGraphFunction(module.get_method("forward").function()).graph()->copy();
  torch::jit::Inline(*graph);
  const bool training = mode == Mode::kTraining;
  FoldTrainingAttributes(graph.get(), training);
  RewriteBakedFlags(graph.get(), training);
  if (!training) {
    StopCountingBatches(graph.get());
    StopAttentionDropout(graph.get());
  }
  MoveConstants(graph.get(), device);
  Simplify(graph);
  if (mode == Mode::kBatchStatistics) UseBatchStatistics(graph.get());
  return graph;
}

void StopCountingBatches(Graph* graph) {
  for (Node* node : AllNodes(*graph)) {
    if (node->kind() != aten::add_ || !IsAttribute(node->input(0), "num_batches_tracked")) continue;
    node->output()->replaceAllUsesWith(node->input(0));
    node->destroy();
  }
}

std::vector<std::string> ModeWarnings(const torch::jit::Module& module, const Graph& evaluation) {
  std::vector<std::string> warnings;
  std::set<std::string> draws, undecided;
  bool switches = false;
  for (const Node* node : AllNodes(evaluation)) {
    const std::string kind = node->kind().toQualString();
    if (DrawsRandomNumbers(node)) draws.insert(kind);
    const int argument = TrainArgument(node);
    switches |= argument >= 0;
    if (argument >= 0 && !torch::jit::toIValue(node->input(argument))) undecided.insert(kind);
  }
  for (const std::string& kind : undecided) {
    warnings.push_back(absl::StrCat("the train/eval flag of ", kind,
                                    " is computed while the model runs and was left as it is"));
  }
  for (const std::string& kind : draws) {
    warnings.push_back(absl::StrCat("the model draws random numbers (", kind,
                                    ") in evaluation too, as stochastic depth does when a model "
                                    "is traced in training mode; trace it in evaluation mode"));
  }
  if (switches && !ReadsTrainingAttribute(module)) {
    warnings.push_back(
        "traced model: dropout and batch-norm follow the mode again, but any other Python code "
        "that asks for self.training stays as it was when traced");
  }
  return warnings;
}

std::optional<std::string> AttributePath(const Value* value) {
  const Node* node = value->node();
  if (node->kind() != prim::GetAttr) return std::nullopt;
  if (node->input()->node()->kind() == prim::Param) return node->s(attr::name);
  const std::optional<std::string> base = AttributePath(node->input());
  if (!base) return std::nullopt;
  return absl::StrCat(*base, ".", node->s(attr::name));
}

std::vector<Node*> AllNodes(const Graph& graph) {
  std::vector<Node*> nodes;
  Collect(graph.block(), &nodes);
  return nodes;
}

at::Tensor TensorAt(const torch::jit::Module& module, const std::string& path) {
  c10::IValue value = module._ivalue();
  for (absl::string_view name : absl::StrSplit(path, '.')) {
    value = value.toObject()->getAttr(std::string(name));
  }
  return value.isNone() ? at::Tensor() : value.toTensor();
}

}  // namespace acclimate::model
