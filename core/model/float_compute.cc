#include "core/model/float_compute.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/script.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/model/mode_graph.h"

namespace acclimate::model {
namespace {

void Convert(const torch::jit::Module& module, const StoredTypes& types, bool to_float) {
  const at::NoGradGuard no_grad;
  std::set<const void*> done;  // a tied tensor has two names
  for (const auto& [name, type] : types) {
    const at::Tensor tensor = TensorAt(module, name);
    if (!done.insert(tensor.unsafeGetTensorImpl()).second) continue;
    tensor.set_data(tensor.detach().to(to_float ? at::kFloat : type));
  }
}

// A constant of a dtype is an integer like any other: only its use says what it is.
void ReplaceDtypeArguments(torch::jit::Node* node, torch::jit::Graph* graph) {
  const c10::FunctionSchema* schema = node->maybeSchema();
  if (schema == nullptr) return;
  const std::vector<c10::Argument>& arguments = schema->arguments();
  for (size_t i = 0; i < arguments.size() && i < node->inputs().size(); ++i) {
    if (arguments[i].name() != "dtype") continue;
    const auto value = torch::jit::toIValue(node->input(i));
    if (!value || !value->isInt()) continue;
    if (!IsOtherFloat(static_cast<at::ScalarType>(value->toInt()))) continue;
    torch::jit::WithInsertPoint guard(node);
    node->replaceInput(i, graph->insertConstant(static_cast<int64_t>(at::kFloat)));
  }
}

// One without a dimension stays: it takes the type of the tensor that it meets.
void ReplaceTensorConstant(torch::jit::Node* node, torch::jit::Graph* graph) {
  const auto value = torch::jit::toIValue(node->output());
  if (!value || !value->isTensor() || !value->toTensor().defined()) return;
  const at::Tensor tensor = value->toTensor();
  if (!IsOtherFloat(tensor.scalar_type()) || tensor.dim() == 0) return;
  torch::jit::WithInsertPoint guard(node);
  node->output()->replaceAllUsesWith(graph->insertConstant(tensor.to(at::kFloat)));
}

}  // namespace

StoredTypes ConvertToFloat(const torch::jit::Module& module) {
  std::map<std::string, at::Tensor> state;
  for (const auto& parameter : module.named_parameters()) state[parameter.name] = parameter.value;
  for (const auto& buffer : module.named_buffers()) state[buffer.name] = buffer.value;
  const StoredTypes types = OtherFloatTypes(state);
  Convert(module, types, /*to_float=*/true);
  return types;
}

void ConvertToStored(const torch::jit::Module& module, const StoredTypes& types) {
  Convert(module, types, /*to_float=*/false);
}

void CastToFloatInstead(torch::jit::Graph* graph) {
  for (torch::jit::Node* node : AllNodes(*graph)) {
    if (node->kind() == c10::prim::Constant) {
      ReplaceTensorConstant(node, graph);
    } else {
      ReplaceDtypeArguments(node, graph);
    }
  }
}

}  // namespace acclimate::model
