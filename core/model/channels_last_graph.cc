#include "core/model/channels_last_graph.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/script.h>

#include <vector>

#include "core/model/convolution.h"
#include "core/model/mode_graph.h"

namespace acclimate::model {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// Of aten::conv2d(input, weight, bias, stride, padding, dilation, groups) and of
// aten::_convolution(..., dilation, transposed, output_padding, groups, ...).
constexpr size_t kWeight = 1, kPadding = 4, kTransposed = 6;

// Whether acclimate::conv2d can take the place of the node.
bool IsReplaceable(const Node* node) {
  const bool general =
      node->kind() == c10::aten::_convolution || node->kind() == c10::aten::convolution;
  if (!general && node->kind() != c10::aten::conv2d) return false;
  // Padding may be a word ("same").
  if (node->input(kPadding)->type()->kind() != c10::TypeKind::ListType) return false;
  if (!general) return true;
  const auto transposed = torch::jit::toIValue(node->input(kTransposed));
  return transposed && transposed->isBool() && !transposed->toBool();
}

Value* GroupsOf(const Node* node) {
  return node->kind() == c10::aten::conv2d ? node->input(6) : node->input(8);
}

// Statistics and other attributes of the module are no temporaries.
bool WritesToTemporary(const Node* node) {
  const c10::FunctionSchema* schema = node->maybeSchema();
  return schema != nullptr && schema->is_mutable() && !node->inputs().empty() &&
         node->input(0)->node()->kind() != c10::prim::GetAttr;
}

void TakeOwnOperator(Node* node, Graph* graph) {
  static const c10::Symbol kOwn = c10::Symbol::fromQualString(ConvolutionOperator());
  torch::jit::WithInsertPoint guard(node);
  std::vector<Value*> inputs;
  for (size_t i = 0; i < kTransposed; ++i) inputs.push_back(node->input(i));
  inputs.push_back(GroupsOf(node));
  Node* own = graph->insertNode(graph->create(kOwn, inputs));
  own->output()->copyMetadata(node->output());
  node->output()->replaceAllUsesWith(own->output());
  node->destroy();
}

void ReshapeInsteadOfView(Node* node, Graph* graph) {
  if (node->input(1)->type()->kind() != c10::TypeKind::ListType) return;  // a view as a dtype
  torch::jit::WithInsertPoint guard(node);
  Node* reshape = graph->insertNode(graph->create(c10::aten::reshape, node->inputs()));
  reshape->output()->copyMetadata(node->output());
  node->output()->replaceAllUsesWith(reshape->output());
  node->destroy();
}

}  // namespace

std::shared_ptr<Graph> WithOwnConvolutions(const Graph& graph) {
  std::shared_ptr<Graph> own = const_cast<Graph&>(graph).copy();
  const std::vector<Node*> nodes = AllNodes(*own);
  for (const Node* node : nodes) {
    if (WritesToTemporary(node)) return own;
  }
  for (Node* node : nodes) {
    if (IsReplaceable(node)) {
      TakeOwnOperator(node, own.get());
    } else if (node->kind() == c10::aten::view) {
      ReshapeInsteadOfView(node, own.get());
    }
  }
  return own;
}

std::set<std::string> ConvolutionWeights(const Graph& graph) {
  std::set<std::string> paths;
  for (const Node* node : AllNodes(graph)) {
    if (!IsReplaceable(node)) continue;
    const auto groups = torch::jit::toIValue(GroupsOf(node));
    if (!groups || !groups->isInt() || groups->toInt() != 1) continue;
    if (const auto path = AttributePath(node->input(kWeight))) paths.insert(*path);
  }
  return paths;
}

}  // namespace acclimate::model
