#include "core/model/graph_levels.h"

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/script.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/model/classifier_split.h"
#include "core/model/mode_graph.h"

namespace acclimate::model {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// A level and the value that is cut there.
struct Cut {
  Level level;
  Value* value;
};

void CollectUses(const Node* node, std::vector<const Value*>* uses) {
  for (const Value* input : node->inputs()) uses->push_back(input);
  for (const torch::jit::Block* block : node->blocks()) {
    for (const Node* inner : block->nodes()) CollectUses(inner, uses);
    for (const Value* output : block->outputs()) uses->push_back(output);
  }
}

// What a node reads, in nested blocks too.
std::vector<const Value*> UsesOf(const Node* node) {
  std::vector<const Value*> uses;
  CollectUses(node, &uses);
  return uses;
}

bool IsTensor(const Value* value) { return value->type()->isSubtypeOf(*c10::TensorType::get()); }

bool IsWeightLayer(const Node* node) {
  static const auto* kKinds = new std::set<std::string>{
      "aten::linear", "aten::addmm",  "aten::matmul",       "aten::mm",
      "aten::conv2d", "aten::conv1d", "aten::_convolution", "aten::convolution"};
  return kKinds->count(node->kind().toQualString()) > 0;
}

std::vector<std::string> TensorPaths(const std::vector<const Value*>& uses) {
  std::vector<std::string> paths;
  for (const Value* use : uses) {
    if (!IsTensor(use)) continue;
    if (const auto path = AttributePath(use)) paths.push_back(*path);
  }
  return paths;
}

std::string LayerOf(const std::string& path) {
  const size_t dot = path.rfind('.');
  return dot == std::string::npos ? path : path.substr(0, dot);
}

// Walks the graph in order and keeps the frontier: the values that depend on the inputs and are
// still to be read. Where it is one tensor, the graph can be cut.
class LevelFinder {
 public:
  explicit LevelFinder(const Graph& graph) : graph_(graph) {
    for (const Node* node : graph.nodes()) CountUses(UsesOf(node));
    for (const Value* output : graph.outputs()) ++left_[output];
    frontier_.insert(graph.inputs().at(1));
  }

  std::vector<Cut> Find() {
    for (const Node* node : graph_.nodes()) Visit(node);
    Value* const features = const_cast<Value*>(graph_.outputs().at(0));
    if (cuts_.empty() || cuts_.back().value != features) CutAt(features);
    return std::move(cuts_);
  }

 private:
  void CountUses(const std::vector<const Value*>& uses) {
    for (const Value* use : uses) ++left_[use];
  }

  void Visit(const Node* node) {
    const std::vector<const Value*> uses = UsesOf(node);
    if (IsWeightLayer(node) && frontier_.count(node->input(0)) > 0) MaybeCut(node->input(0));
    bool depends = false;
    for (const Value* use : uses) {
      depends |= reached_.count(use) > 0 || frontier_.count(use) > 0;
      if (--left_[use] == 0) frontier_.erase(use);
    }
    for (std::string& path : TensorPaths(uses)) {
      if (IsWeightLayer(node)) ++layers_;
      last_layer_ = LayerOf(path);
      parameters_.insert(std::move(path));
    }
    if (!depends) return;
    for (const Value* output : node->outputs()) {
      reached_.insert(output);
      if (left_[output] > 0) frontier_.insert(output);
    }
  }

  void MaybeCut(const Value* value) {
    // The features themselves are also an output of the graph: one more reader.
    if (frontier_.size() == 1 && layers_ > 0 && IsTensor(value)) {
      CutAt(const_cast<Value*>(value));
    }
  }

  void CutAt(Value* value) {
    cuts_.push_back({{last_layer_, {parameters_.begin(), parameters_.end()}}, value});
    parameters_.clear();
    layers_ = 0;
  }

  const Graph& graph_;
  std::map<const Value*, int> left_;  // readers to come
  std::set<const Value*> frontier_;
  std::set<const Value*> reached_;    // everything that depends on the inputs
  std::set<std::string> parameters_;  // read since the last cut
  std::string last_layer_;
  int layers_ = 0;  // with weights, since the last cut
  std::vector<Cut> cuts_;
};

std::vector<Cut> FindCuts(const std::shared_ptr<Graph>& graph) {
  std::vector<Cut> cuts = LevelFinder(*graph).Find();
  // A tensor that is written to after it was made is not what a reader at the end would see.
  const torch::jit::AliasDb aliases(graph);
  for (size_t i = cuts.size() - 1; i-- > 0;) {
    if (!aliases.hasWriters(cuts[i].value)) continue;
    Level& next = cuts[i + 1].level;
    next.parameters.insert(next.parameters.begin(), cuts[i].level.parameters.begin(),
                           cuts[i].level.parameters.end());
    cuts.erase(cuts.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return cuts;
}

// Half a graph must not count batches in the layers of the other half.
std::shared_ptr<Graph> PartOf(const std::shared_ptr<Graph>& graph) {
  std::shared_ptr<Graph> part = graph->copy();
  StopCountingBatches(part.get());
  RemoveChecks(part);
  return part;
}

// What only fed the other half. Dead code elimination alone would keep what writes statistics.
void RemoveReadersOf(Graph& graph, const Value* value) {
  std::set<const Value*> reached = {value};
  std::vector<Node*> readers;
  for (Node* node : graph.nodes()) {
    const std::vector<const Value*> uses = UsesOf(node);
    if (std::none_of(uses.begin(), uses.end(),
                     [&](const Value* use) { return reached.count(use) > 0; })) {
      continue;
    }
    reached.insert(node->outputs().begin(), node->outputs().end());
    readers.push_back(node);
  }
  std::for_each(readers.rbegin(), readers.rend(), [](Node* node) { node->destroy(); });
}

}  // namespace

std::vector<Level> FindLevels(const std::shared_ptr<Graph>& graph) {
  std::vector<Level> levels;
  for (Cut& cut : FindCuts(graph)) levels.push_back(std::move(cut.level));
  return levels;
}

std::shared_ptr<Graph> GraphTo(const std::shared_ptr<Graph>& graph,
                               const std::vector<size_t>& levels, bool with_outputs) {
  std::shared_ptr<Graph> part = with_outputs ? graph->copy() : PartOf(graph);
  const std::vector<Cut> cuts = FindCuts(part);
  std::vector<Value*> outputs;
  for (size_t level : levels) outputs.push_back(cuts.at(level).value);
  if (with_outputs) outputs.insert(outputs.end(), part->outputs().begin(), part->outputs().end());
  SetOutputs(part, outputs);
  return part;
}

std::shared_ptr<Graph> GraphFrom(const std::shared_ptr<Graph>& graph, size_t level) {
  std::shared_ptr<Graph> part = PartOf(graph);
  Value* const cut = FindCuts(part).at(level).value;
  Value* const input = part->addInput("level");
  input->setType(cut->type());
  cut->replaceAllUsesWith(input);
  CountSamplesOf(input, part.get());
  RemoveReadersOf(*part, part->inputs().at(1));
  SetOutputs(part, part->outputs().vec());
  part->eraseInput(1);
  return part;
}

std::shared_ptr<Graph> WithParametersAsInputs(const std::shared_ptr<Graph>& graph,
                                              const std::vector<std::string>& names) {
  std::shared_ptr<Graph> lifted = graph->copy();
  std::map<std::string, Value*> inputs;
  for (const std::string& name : names) inputs[name] = lifted->addInput();
  for (Node* node : AllNodes(*lifted)) {
    if (node->kind() != c10::prim::GetAttr || !IsTensor(node->output())) continue;
    const auto path = AttributePath(node->output());
    const auto input = path ? inputs.find(*path) : inputs.end();
    if (input != inputs.end()) node->output()->replaceAllUsesWith(input->second);
  }
  SetOutputs(lifted, lifted->outputs().vec());
  return lifted;
}

}  // namespace acclimate::model
