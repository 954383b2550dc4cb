#include "core/model/exported_operators.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>

#include <initializer_list>
#include <map>

namespace acclimate::model {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;
using Outputs = std::vector<Value*>;

constexpr size_t kMostOutputs = 9;  // of the fused attentions

// What a rewriting is made of.
struct Rewriting {
  const OperatorArguments& given;
  Graph& graph;
  Value* training;  // the module's flag

  Value* Constant(const c10::IValue& value) const { return graph.insertConstant(value); }
  Value* Optional(const char* name) const {
    Value* value = given.Find(name);
    return value != nullptr ? value : Constant(c10::IValue());
  }
  // Of the first of two names: one operator's schemas differ in some.
  Value* Either(const char* name, const char* other) const {
    Value* value = given.Find(name);
    return value != nullptr ? value : given.Get(other);
  }
  Value* Tensor(const char* name, const std::vector<Value*>& inputs) const {
    Node* node = graph.insertNode(graph.create(c10::Symbol::fromQualString(name), inputs, 1));
    node->output()->setType(c10::TensorType::get());
    return node->output();
  }
};

// `first` and as many outputs that nobody needs as an operator may have.
Outputs First(Value* first) {
  Outputs outputs(kMostOutputs, nullptr);
  outputs[0] = first;
  return outputs;
}

bool IsAbsent(const Value* value) { return value->type()->kind() == c10::TypeKind::NoneType; }

bool IsModuleTensor(const Value* value) { return value->node()->kind() == c10::prim::GetAttr; }

// As long lists as `value` holds, when it is a constant list of integers.
std::optional<std::vector<int64_t>> ConstantIntegers(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isIntList()) return std::nullopt;
  return constant->toIntVector();
}

bool IsConstant(const Value* value, const c10::IValue& wanted) {
  const auto constant = torch::jit::toIValue(value);
  return constant && *constant == wanted;
}

// Running statistics are the module's own; the functional forms return the new ones, which are the
// same tensors once batch norm has written to them.
std::optional<Outputs> BatchNorm(const Rewriting& to, size_t first_statistic) {
  Value* const mean = to.Optional("running_mean");
  Value* const variance = to.Optional("running_var");
  // Without stored statistics it always uses those of the batch.
  Value* const training = IsAbsent(mean) ? to.Constant(true) : to.training;
  Value* const normalised = to.Tensor(
      "aten::batch_norm", {to.given.Get("input"), to.Optional("weight"), to.Optional("bias"), mean,
                           variance, training, to.Either("momentum", "exponential_average_factor"),
                           to.Either("eps", "epsilon"), to.Constant(true)});
  Outputs outputs = First(normalised);
  if (first_statistic > 0) {
    outputs[first_statistic] = mean;
    outputs[first_statistic + 1] = variance;
  }
  return outputs;
}

std::optional<Outputs> BatchNormInPlace(const Rewriting& to) { return BatchNorm(to, 0); }
std::optional<Outputs> BatchNormFunctional(const Rewriting& to) { return BatchNorm(to, 3); }
std::optional<Outputs> BatchNormWithReserve(const Rewriting& to) { return BatchNorm(to, 4); }

std::optional<Outputs> Dropout(const Rewriting& to) {
  return First(to.Tensor("aten::dropout", {to.given.Get("input"), to.given.Get("p"), to.training}));
}

std::optional<Outputs> LayerNorm(const Rewriting& to) {
  return First(
      to.Tensor("aten::layer_norm",
                {to.given.Get("input"), to.given.Get("normalized_shape"), to.Optional("weight"),
                 to.Optional("bias"), to.given.Get("eps"), to.Constant(true)}));
}

// The decomposed form also takes the sizes of its input.
std::optional<Outputs> GroupNorm(const Rewriting& to) {
  return First(to.Tensor("aten::group_norm",
                         {to.given.Get("input"), to.given.Get("group"), to.Optional("weight"),
                          to.Optional("bias"), to.given.Get("eps"), to.Constant(true)}));
}

std::optional<Outputs> SoftmaxAs(const Rewriting& to, const char* name) {
  if (!IsConstant(to.given.Get("half_to_float"), false)) return std::nullopt;
  return First(
      to.Tensor(name, {to.given.Get("self"), to.given.Get("dim"), to.Constant(c10::IValue())}));
}
std::optional<Outputs> Softmax(const Rewriting& to) { return SoftmaxAs(to, "aten::softmax"); }
std::optional<Outputs> LogSoftmax(const Rewriting& to) {
  return SoftmaxAs(to, "aten::log_softmax");
}

// A weight as linear layers take it.
std::optional<Outputs> Transposition(const Rewriting& to) {
  Value* const self = to.given.Get("self");
  const auto order = ConstantIntegers(to.given.Get("dims"));
  if (!IsModuleTensor(self) || !order || *order != std::vector<int64_t>{1, 0}) return std::nullopt;
  return First(to.Tensor("aten::t", {self}));
}

bool IsTransposedWeight(const Value* value) {
  return value->node()->kind() == c10::Symbol::fromQualString("aten::t") &&
         IsModuleTensor(value->node()->input(0));
}

std::optional<Outputs> LinearWithBias(const Rewriting& to) {
  Value* const bias = to.given.Get("self");
  Value* const weight = to.given.Get("mat2");
  for (const char* factor : {"beta", "alpha"}) {
    Value* const value = to.given.Find(factor);
    if (value != nullptr && !IsConstant(value, int64_t{1})) return std::nullopt;
  }
  if (!IsModuleTensor(bias) || !IsTransposedWeight(weight)) return std::nullopt;
  return First(to.Tensor("aten::linear", {to.given.Get("mat1"), weight->node()->input(0), bias}));
}

std::optional<Outputs> Linear(const Rewriting& to) {
  Value* const weight = to.given.Get("mat2");
  if (!IsTransposedWeight(weight)) return std::nullopt;
  return First(to.Tensor("aten::linear", {to.given.Get("self"), weight->node()->input(0),
                                          to.Constant(c10::IValue())}));
}

std::optional<Outputs> RewriteConvolution(const Rewriting& to) {
  static const auto* kNames = new std::map<size_t, const char*>{
      {1, "aten::conv1d"}, {2, "aten::conv2d"}, {3, "aten::conv3d"}};
  Value* const stride = to.given.Get("stride");
  const auto steps = ConstantIntegers(stride);
  const auto name = steps ? kNames->find(steps->size()) : kNames->end();
  if (name == kNames->end() || !IsConstant(to.given.Get("transposed"), false)) return std::nullopt;
  return First(to.Tensor(
      name->second, {to.given.Get("input"), to.given.Get("weight"), to.Optional("bias"), stride,
                     to.given.Get("padding"), to.given.Get("dilation"), to.given.Get("groups")}));
}

// The forms that attention takes on one kind of device.
std::optional<Outputs> Attention(const Rewriting& to) {
  Value* mask = to.given.Find("attn_mask");
  if (mask == nullptr) mask = to.Optional("attn_bias");
  const auto or_else = [&](const char* argument, const c10::IValue& value) {
    Value* const given = to.given.Find(argument);
    return given != nullptr ? given : to.Constant(value);
  };
  Value* const on = to.graph.insert(c10::Symbol::fromQualString("aten::Int"), {to.training});
  Value* const dropout =
      to.graph.insert(c10::Symbol::fromQualString("aten::mul"), {or_else("dropout_p", 0.0), on});
  return First(
      to.Tensor("aten::scaled_dot_product_attention",
                {to.given.Get("query"), to.given.Get("key"), to.given.Get("value"), mask, dropout,
                 or_else("is_causal", false), to.Optional("scale"), to.Constant(false)}));
}

}  // namespace

std::optional<std::vector<Value*>> PutBack(const std::string& name,
                                           const OperatorArguments& arguments, Graph& graph,
                                           Value* training) {
  using Rewrite = std::optional<Outputs> (*)(const Rewriting&);
  static const auto* kRewrites = new std::map<std::string, Rewrite>{
      {"aten::native_batch_norm", BatchNormInPlace},
      {"aten::cudnn_batch_norm", BatchNormInPlace},
      {"aten::miopen_batch_norm", BatchNormInPlace},
      {"aten::_native_batch_norm_legit", BatchNormInPlace},
      {"aten::_native_batch_norm_legit_no_training", BatchNormInPlace},
      {"aten::_native_batch_norm_legit_functional", BatchNormFunctional},
      {"aten::_batch_norm_no_update", BatchNormInPlace},
      {"aten::_batch_norm_with_update", BatchNormInPlace},
      {"aten::_batch_norm_with_update_functional", BatchNormWithReserve},
      {"aten::native_dropout", Dropout},
      {"aten::native_layer_norm", LayerNorm},
      {"aten::native_group_norm", GroupNorm},
      {"aten::_softmax", Softmax},
      {"aten::_log_softmax", LogSoftmax},
      {"aten::permute", Transposition},
      {"aten::addmm", LinearWithBias},
      {"aten::mm", Linear},
      {"aten::convolution", RewriteConvolution},
      {"aten::_scaled_dot_product_flash_attention_for_cpu", Attention},
      {"aten::_scaled_dot_product_flash_attention", Attention},
      {"aten::_scaled_dot_product_efficient_attention", Attention},
      {"aten::_scaled_dot_product_cudnn_attention", Attention},
  };
  const auto found = kRewrites->find(name);
  if (found == kRewrites->end()) return std::nullopt;
  return found->second({arguments, graph, training});
}

}  // namespace acclimate::model
