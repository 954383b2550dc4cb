#include "core/model/batch_norm_moments.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

#include "core/model/classifier_split.h"
#include "core/model/mode_graph.h"
#include "core/model/single_precision.h"

namespace acclimate::model {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

constexpr char kMomentsOperator[] = "acclimate::batch_norm_moments";
constexpr char kMomentsSchema[] =
    "acclimate::batch_norm_moments(Tensor input, Tensor? weight, Tensor? bias, Tensor? "
    "running_mean, Tensor? running_var, Tensor share, float eps) -> (Tensor, Tensor, Tensor, "
    "Tensor)";

// Arguments of aten::batch_norm.
constexpr size_t kStoredMean = 3;
constexpr size_t kEps = 7;

// A stored NaN must not stay where nothing of it is asked for.
at::Tensor Mixed(const at::Tensor& stored, const at::Tensor& batch, double share) {
  return share == 1.0 ? batch : stored * (1.0 - share) + batch * share;
}

void NormaliseByBatch(torch::jit::Stack& stack) {
  const double eps = torch::jit::pop(stack).toDouble();
  const double share = torch::jit::pop(stack).toTensor().item<double>();
  const auto tensor = [&stack] {
    const c10::IValue value = torch::jit::pop(stack);
    return value.isNone() ? at::Tensor() : value.toTensor();
  };
  const at::Tensor running_var = tensor(), running_mean = tensor(), bias = tensor(),
                   weight = tensor(), input = tensor();
  const int64_t count = input.numel() / std::max<int64_t>(input.size(1), 1);
  at::Tensor mean, variance;
  // Of a bf16 input it would round them to bf16.
  std::tie(mean, variance) = at::batch_norm_update_stats(AsFloat(input), {}, {}, /*momentum=*/0.0);
  const double unbiased =
      static_cast<double>(count) / static_cast<double>(std::max<int64_t>(count - 1, 1));
  const bool stored = running_mean.defined() && running_var.defined();
  const at::Tensor output =
      at::batch_norm(input, weight, bias, stored ? Mixed(running_mean, mean, share) : mean,
                     stored ? Mixed(running_var, variance * unbiased, share) : variance,
                     /*training=*/false, /*momentum=*/0.0, eps, /*cudnn_enabled=*/true);
  torch::jit::push(stack, output, mean, variance, at::scalar_tensor(count, at::kLong));
}

void RegisterOperator() {
  static const bool registered = [] {
    torch::jit::registerOperator(torch::jit::Operator(kMomentsSchema, NormaliseByBatch,
                                                      c10::AliasAnalysisKind::FROM_SCHEMA));
    return true;
  }();
  static_cast<void>(registered);
}

// The node that took the place of `norm`, an aten::batch_norm.
Node* Replaced(Graph* graph, Node* norm, Value* share) {
  Node* const node =
      graph->create(c10::Symbol::fromQualString(kMomentsOperator),
                    {norm->input(0), norm->input(1), norm->input(2), norm->input(kStoredMean),
                     norm->input(kStoredMean + 1), share, norm->input(kEps)},
                    /*num_outputs=*/4);
  node->insertBefore(norm);
  norm->output()->replaceAllUsesWith(node->output(0));
  norm->destroy();
  return node;
}

}  // namespace

std::shared_ptr<Graph> BatchNormMomentsGraph(const std::shared_ptr<Graph>& evaluation,
                                             const std::vector<size_t>& layers) {
  RegisterOperator();
  std::shared_ptr<Graph> graph = evaluation->copy();
  const std::vector<Node*> nodes = AllNodes(*graph);
  std::set<std::string> statistics;
  std::set<Node*> asked;
  for (const size_t layer : layers) {
    statistics.insert(AttributePath(nodes.at(layer)->input(kStoredMean)).value_or(""));
    asked.insert(nodes.at(layer));
  }
  Value* const share = graph->addInput("share");
  std::vector<Value*> moments;
  for (Node* node : nodes) {
    if (node->kind() != c10::aten::batch_norm) continue;
    const std::string path = AttributePath(node->input(kStoredMean)).value_or("");
    if (statistics.count(path) == 0) continue;
    const bool is_asked = asked.count(node) > 0;
    const Node* const replaced = Replaced(graph.get(), node, share);
    if (!is_asked) continue;
    for (size_t output = 1; output < replaced->outputs().size(); ++output) {
      moments.push_back(const_cast<Value*>(replaced->output(output)));
    }
  }
  RemoveChecks(graph);
  const ClassifierSplit split = FindClassifier(*graph).value();  // as in `evaluation`
  std::vector<Value*> outputs = {split.features, split.logits};
  outputs.insert(outputs.end(), moments.begin(), moments.end());
  SetOutputs(graph, outputs);
  return graph;
}

}  // namespace acclimate::model
