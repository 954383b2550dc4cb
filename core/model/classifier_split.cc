#include "core/model/classifier_split.h"

#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/script.h>

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

// The first tensor of what forward() returns: itself, or inside a tuple, list or dictionary.
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

// Follows the path from the classifier's output to the model's and stops before a softmax.
Value* LogitsOnPath(Value* head_output, const std::map<Value*, Value*>& consumer_output,
                    std::string* softmax) {
  Value* value = head_output;
  for (auto next = consumer_output.find(value); next != consumer_output.end();
       next = consumer_output.find(value)) {
    if (IsSoftmax(next->second->node())) {
      *softmax = next->second->node()->kind().toQualString();
      return value;
    }
    value = next->second;
  }
  return value;
}

}  // namespace

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

absl::StatusOr<std::shared_ptr<Graph>> ClassifierGraph(const std::shared_ptr<Graph>& graph) {
  std::shared_ptr<Graph> classifier = graph->copy();
  const absl::StatusOr<ClassifierSplit> split = FindClassifier(*classifier);
  if (!split.ok()) return split.status();
  Value* const features = classifier->addInput("features");
  RemoveChecks(classifier);
  split->features->replaceAllUsesWith(features);
  SetOutputs(classifier, {split->logits});
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
