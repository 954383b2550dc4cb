#include "core/model/classifier_split.h"

#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/script.h>

#include <algorithm>
#include <deque>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "core/model/mode_graph.h"

namespace acclimate::model {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;

struct Operands {
  int input;
  int weight;
};

// Which operands of a linear map are its input and its weight.
std::optional<Operands> LinearOperands(const Node* node) {
  static const auto* kOperands = new std::map<std::string, Operands>{
      {"aten::linear", {0, 1}},       {"aten::addmm", {1, 2}},      {"aten::matmul", {0, 1}},
      {"aten::mm", {0, 1}},           {"aten::conv2d", {0, 1}},     {"aten::conv1d", {0, 1}},
      {"aten::_convolution", {0, 1}}, {"aten::convolution", {0, 1}}};
  const auto found = kOperands->find(node->kind().toQualString());
  if (found == kOperands->end()) return std::nullopt;
  return found->second;
}

bool IsTransposition(const Node* node) {
  const std::string kind = node->kind().toQualString();
  return kind == "aten::t" || kind == "aten::transpose" || kind == "aten::numpy_T";
}

bool IsSoftmax(const Node* node) {
  const std::string kind = node->kind().toQualString();
  return kind == "aten::softmax" || kind == "aten::log_softmax" || kind == "aten::sigmoid" ||
         kind == "aten::log_sigmoid";
}

// Nothing in the block changes a tensor or the module: at most it raises or warns.
bool OnlyChecks(const torch::jit::Block* block) {
  for (const Node* node : block->nodes()) {
    const bool complains =
        node->kind() == prim::RaiseException || node->kind() == c10::Symbol::aten("warn");
    const c10::FunctionSchema* schema = node->maybeSchema();
    const bool writes = schema != nullptr && schema->is_mutable();
    if (!complains && (writes || node->hasSideEffects())) return false;
    for (const torch::jit::Block* inner : node->blocks()) {
      if (!OnlyChecks(inner)) return false;
    }
  }
  return true;
}

// "if x.dim() != 4: raise ...", as scripted layers check their inputs.
bool IsCheck(const Node* node) {
  if (node->kind() != prim::If || !node->outputs().empty()) return false;
  return OnlyChecks(node->blocks().at(0)) && OnlyChecks(node->blocks().at(1));
}

// The module's tensor behind a weight operand: itself, transposed, or reparametrised (weight
// norm). `transpositions` counts the first kind of step.
std::optional<std::string> WeightPath(const Value* value, int* transpositions) {
  const Node* node = value->node();
  if (IsTransposition(node)) {
    ++*transpositions;
    return WeightPath(node->input(0), transpositions);
  }
  if (node->kind() == c10::Symbol::fromQualString("aten::_weight_norm")) {
    return WeightPath(node->input(0), transpositions);
  }
  return AttributePath(value);
}

// Changes the shape of its first operand and nothing else.
bool IsReshape(const Node* node) {
  static const auto* kKinds = new std::set<std::string>{
      "aten::view",    "aten::reshape",   "aten::_unsafe_view", "aten::flatten",
      "aten::squeeze", "aten::unsqueeze", "aten::contiguous"};
  return kKinds->count(node->kind().toQualString()) > 0;
}

// Follows the path from the classifier's output to the model's and stops before a softmax. Changes
// of shape at its end are left out: logits are flattened to [N, C] anyway, and such a change may
// ask the model's inputs for their size.
Value* LogitsOnPath(Value* head_output, const std::map<Value*, Value*>& consumer_output,
                    std::string* softmax) {
  Value* value = head_output;
  Value* logits = head_output;
  for (auto next = consumer_output.find(value); next != consumer_output.end();
       next = consumer_output.find(value)) {
    if (IsSoftmax(next->second->node())) {
      *softmax = next->second->node()->kind().toQualString();
      break;
    }
    value = next->second;
    if (!IsReshape(value->node())) logits = value;
  }
  return logits;
}

// Whether the node asks a tensor for its number of samples: x.size(0), or x.shape[0].
Value* CountedTensor(const Node* node) {
  static const c10::Symbol kGetItem = c10::Symbol::aten("__getitem__");
  const bool indexed = node->kind() == kGetItem;
  if (node->kind() != c10::aten::size && !indexed) return nullptr;
  if (node->inputs().size() != 2) return nullptr;
  const auto place = torch::jit::toIValue(node->input(1));
  if (!place || !place->isInt() || place->toInt() != 0) return nullptr;
  const Node* sizes = indexed ? node->input(0)->node() : node;
  if (sizes->kind() != c10::aten::size || (indexed && sizes->inputs().size() != 1)) return nullptr;
  return const_cast<Value*>(sizes->input(0));
}

// All values that depend on `value`, itself included.
std::set<const Value*> DependentsOf(const Graph& graph, const Value* value) {
  std::set<const Value*> dependents{value};
  for (const Node* node : AllNodes(graph)) {
    for (const Value* input : node->inputs()) {
      if (dependents.count(input) == 0) continue;
      dependents.insert(node->outputs().begin(), node->outputs().end());
      break;
    }
  }
  return dependents;
}

void CollectInputs(const Node* node, std::set<const Value*>* inputs) {
  inputs->insert(node->inputs().begin(), node->inputs().end());
  for (const torch::jit::Block* block : node->blocks()) {
    for (const Node* inner : block->nodes()) CollectInputs(inner, inputs);
    inputs->insert(block->outputs().begin(), block->outputs().end());
  }
}

bool Writes(const Node* node) {
  const c10::FunctionSchema* schema = node->maybeSchema();
  return schema != nullptr && schema->is_mutable();
}

// Takes out every node that no output needs, checks and loops for checks included, which dead code
// elimination keeps.
void KeepOnlyWhatOutputsNeed(Graph* graph) {
  std::set<const Value*> needed(graph->outputs().begin(), graph->outputs().end());
  std::vector<Node*> nodes(graph->nodes().begin(), graph->nodes().end());
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    Node* node = *it;
    const auto is_needed = [&](const Value* value) { return needed.count(value) > 0; };
    const bool makes = std::any_of(node->outputs().begin(), node->outputs().end(), is_needed);
    const bool changes = Writes(node) && is_needed(node->input(0));
    if (makes || changes) {
      CollectInputs(node, &needed);
    } else {
      node->destroy();
    }
  }
}

}  // namespace

Value* FirstTensor(const Graph& graph) {
  Value* value = const_cast<Value*>(graph.outputs().at(0));
  for (;;) {
    const Node* node = value->node();
    const bool dictionary = node->kind() == prim::DictConstruct;
    const bool sequence =
        node->kind() == prim::TupleConstruct || node->kind() == prim::ListConstruct;
    if (!(dictionary || sequence) || node->inputs().empty()) return value;
    value = const_cast<Value*>(node->input(dictionary ? 1 : 0));
  }
}

absl::StatusOr<ClassifierSplit> FindClassifier(const Graph& graph) {
  Value* const output = FirstTensor(graph);
  std::deque<Value*> queue{output};
  std::map<Value*, Value*> consumer_output;  // towards the output, along the shortest way
  std::set<Value*> seen{output};
  while (!queue.empty()) {
    Value* value = queue.front();
    queue.pop_front();
    Node* node = value->node();
    if (const auto operands = LinearOperands(node)) {
      int transpositions = 0;
      const auto weight = WeightPath(node->input(operands->weight), &transpositions);
      if (weight) {
        ClassifierSplit split;
        split.features = node->input(operands->input);
        split.logits = LogitsOnPath(value, consumer_output, &split.softmax);
        split.weight = *weight;
        const std::string kind = node->kind().toQualString();
        const bool is_product =
            kind == "aten::addmm" || kind == "aten::matmul" || kind == "aten::mm";
        split.class_dimension = is_product && transpositions % 2 == 0 ? 1 : 0;
        return split;
      }
    }
    if (!node->blocks().empty()) continue;  // control flow: no one layer leads to the output
    for (Value* input : node->inputs()) {
      if (!input->type()->isSubtypeOf(*c10::TensorType::get()) || !seen.insert(input).second) {
        continue;
      }
      consumer_output[input] = value;
      queue.push_back(input);
    }
  }
  return absl::InvalidArgumentError(
      "no classifier layer found: the model's first output must come from a linear layer or a "
      "convolution");
}

void SetOutputs(const std::shared_ptr<Graph>& graph, const std::vector<Value*>& outputs) {
  while (!graph->outputs().empty()) graph->eraseOutput(graph->outputs().size() - 1);
  for (Value* output : outputs) graph->registerOutput(output);
  torch::jit::EliminateDeadCode(graph);
}

// Of the outermost block. What is inside a check goes with it, and must not be looked at again.
void RemoveChecks(const std::shared_ptr<Graph>& graph) {
  std::vector<Node*> checks;
  for (Node* node : graph->block()->nodes()) {
    if (IsCheck(node)) checks.push_back(node);
  }
  for (Node* check : checks) check->destroy();
}

void CountSamplesOf(Value* cut, Graph* graph) {
  const std::set<const Value*> behind = DependentsOf(*graph, cut);
  Value* samples = nullptr;
  for (Node* node : AllNodes(*graph)) {
    const Value* counted = CountedTensor(node);
    if (counted == nullptr || behind.count(counted) > 0) continue;
    if (samples == nullptr) {
      torch::jit::WithInsertPoint guard(*graph->nodes().begin());
      samples = graph->insert(c10::aten::size, {cut, 0});
    }
    if (node->output() != samples) node->output()->replaceAllUsesWith(samples);
  }
}

absl::StatusOr<std::shared_ptr<Graph>> ClassifierGraph(const std::shared_ptr<Graph>& graph) {
  std::shared_ptr<Graph> classifier = graph->copy();
  const absl::StatusOr<ClassifierSplit> split = FindClassifier(*classifier);
  if (!split.ok()) return split.status();
  Value* const features = classifier->addInput("features");
  RemoveChecks(classifier);
  features->setType(split->features->type());
  split->features->replaceAllUsesWith(features);
  SetOutputs(classifier, {split->logits});
  CountSamplesOf(features, classifier.get());
  KeepOnlyWhatOutputsNeed(classifier.get());
  Value* const inputs = classifier->inputs().at(1);
  if (inputs->hasUses()) {
    return absl::InvalidArgumentError(
        "the model's logits depend on its inputs in another way than through the classifier "
        "layer");
  }
  classifier->eraseInput(1);
  return classifier;
}

std::set<std::string> AttributePaths(const Graph& graph) {
  std::set<std::string> paths;
  for (const Node* node : AllNodes(graph)) {
    if (node->kind() != prim::GetAttr) continue;
    if (const auto path = AttributePath(node->output())) paths.insert(*path);
  }
  return paths;
}

}  // namespace acclimate::model
