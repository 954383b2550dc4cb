#include "core/model/single_precision.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/runtime/autocast.h"

namespace acclimate::model {
namespace {

constexpr char kFloatOperator[] = "acclimate::compute_in_float";

void EndAutocast(torch::jit::Stack& stack) {
  at::Tensor tensor = torch::jit::pop(stack).toTensor();
  const c10::DeviceType device = tensor.device().type();
  if (runtime::AutocastType(device) != at::kFloat) {
    runtime::SetAutocast(device, at::kFloat);
    tensor = AsFloat(tensor);
  }
  torch::jit::push(stack, std::move(tensor));
}

const torch::jit::RegisterOperators float_registration(
    {torch::jit::Operator(absl::StrCat(kFloatOperator, "(Tensor(a) value) -> Tensor(a)"),
                          &EndAutocast, c10::AliasAnalysisKind::FROM_SCHEMA)});

}  // namespace

at::Tensor AsFloat(const at::Tensor& tensor) {
  const bool below = tensor.scalar_type() == at::kBFloat16 || tensor.scalar_type() == at::kHalf;
  return below ? tensor.to(at::kFloat) : tensor;
}

void ComputeInFloatFrom(torch::jit::Value* value) {
  torch::jit::Graph* const graph = value->owningGraph();
  torch::jit::Node* const node =
      graph->create(c10::Symbol::fromQualString(kFloatOperator), {value});
  if (value->node()->kind() == c10::prim::Param) {
    graph->prependNode(node);
  } else {
    node->insertAfter(value->node());
  }
  node->output()->copyMetadata(value);
  value->replaceAllUsesAfterNodeWith(node, node->output());
}

}  // namespace acclimate::model
