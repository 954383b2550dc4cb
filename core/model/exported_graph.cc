#include "core/model/exported_graph.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/script.h>
#include <torch/version.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/model/exported_archive.h"
#include "core/model/exported_operators.h"
#include "core/model/mode_graph.h"

namespace acclimate::model {

using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;

namespace {

constexpr size_t kMaxNameParts = 64;  // modules nested in each other
constexpr char kAten[] = "torch.ops.aten.";
constexpr char kCounter[] = "num_batches_tracked";

[[noreturn]] void Reject(const std::string& sentence) { throw std::runtime_error(sentence); }

[[noreturn]] void RejectOperator(const std::string& target) {
  const bool higher_order = absl::StartsWith(target, "torch.ops.higher_order.");
  Reject(absl::StrCat("the program uses the ", higher_order ? "higher-order " : "", "operator ",
                      target, ", which cannot be run here (LibTorch ", TORCH_VERSION, ")"));
}

// "torch.ops.aten.add.Tensor": {"aten::add", "Tensor"}.
c10::OperatorName OperatorIn(const std::string& target) {
  absl::string_view rest = target;
  if (!absl::ConsumePrefix(&rest, kAten)) RejectOperator(target);
  const size_t dot = rest.rfind('.');
  if (dot == absl::string_view::npos || dot == 0) RejectOperator(target);
  const absl::string_view overload = rest.substr(dot + 1);
  return {absl::StrCat("aten::", rest.substr(0, dot)),
          overload == "default" ? "" : std::string(overload)};
}

// Arithmetic on sizes: Python's operators, and what torch calls its own.
const std::string* SymbolicOperator(const std::string& target) {
  static const auto* kOperators =
      new std::map<std::string, std::string>{{"torch.ops.aten.sym_size.int", "aten::size"},
                                             {"torch.ops.aten.sym_numel.default", "aten::numel"},
                                             {"torch.ops.aten.sym_stride.int", "aten::stride"},
                                             {"_operator.add", "aten::add"},
                                             {"_operator.sub", "aten::sub"},
                                             {"_operator.mul", "aten::mul"},
                                             {"_operator.floordiv", "aten::floordiv"},
                                             {"_operator.truediv", "aten::div"},
                                             {"_operator.mod", "aten::remainder"},
                                             {"_operator.pow", "aten::pow"},
                                             {"_operator.neg", "aten::neg"},
                                             {"_operator.eq", "aten::eq"},
                                             {"_operator.ne", "aten::ne"},
                                             {"_operator.lt", "aten::lt"},
                                             {"_operator.le", "aten::le"},
                                             {"_operator.gt", "aten::gt"},
                                             {"_operator.ge", "aten::ge"},
                                             {"_operator.and_", "aten::__and__"},
                                             {"_operator.or_", "aten::__or__"},
                                             {"math.trunc", "aten::Int"},
                                             {"math.floor", "aten::floor"},
                                             {"math.ceil", "aten::ceil"},
                                             {"torch.sym_int", "aten::Int"},
                                             {"torch.sym_float", "aten::Float"},
                                             {"torch.sym_not", "aten::__not__"},
                                             {"torch.sym_max", "prim::max"},
                                             {"torch.sym_min", "prim::min"},
                                             {"torch.sym_sqrt", "aten::sqrt"},
                                             {"torch._sym_sqrt", "aten::sqrt"}};
  const auto found = kOperators->find(target);
  return found == kOperators->end() ? nullptr : &found->second;
}

// Their numbers are the schema's, not c10's.
at::MemoryFormat MemoryFormatOf(int64_t number) {
  switch (number) {
    case 1:
      return at::MemoryFormat::Contiguous;
    case 2:
      return at::MemoryFormat::ChannelsLast;
    case 3:
      return at::MemoryFormat::ChannelsLast3d;
    case 4:
      return at::MemoryFormat::Preserve;
    default:
      Reject(absl::StrCat("memory format number ", number, " is unknown"));
  }
}

c10::TypePtr WithoutOptional(c10::TypePtr type) {
  while (const auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
  return type;
}

bool IsListOf(const c10::TypePtr& type, c10::TypeKind element) {
  const auto list = type->cast<c10::ListType>();
  return list && list->getElementType()->kind() == element;
}

// Which arguments say whether the module is in training.
bool IsModeFlag(const c10::Argument& argument) {
  const std::string& name = argument.name();
  return (name == "train" || name == "training") &&
         WithoutOptional(argument.type())->kind() == c10::TypeKind::BoolType;
}

std::string NameIn(const StrictJson& output) {
  const auto [kind, value] = output.Choice();
  if (kind == "as_tensor") return value["name"].Text();
  if (kind == "as_sym_int" || kind == "as_sym_float" || kind == "as_sym_bool") {
    return value["as_name"].Text();
  }
  Reject(absl::StrCat("an output of kind \"", kind, "\" is not read"));
}

const StrictJson* FindInput(const std::vector<StrictJson>& inputs, const std::string& name) {
  for (const StrictJson& input : inputs) {
    if (input["name"].Text() == name) return &input;
  }
  return nullptr;
}

// The size that a reshape gets where every other one is a number: exact, and no dependence on the
// tensor that the size came from.
constexpr int64_t kInferred = -1;

}  // namespace

// The JSON of one node, turned into values when they are asked for.
class ExportedGraph::Arguments : public OperatorArguments {
 public:
  // `schema` is null where this LibTorch does not know the operator.
  Arguments(ExportedGraph* graph, std::string target, const StrictJson& node,
            const c10::FunctionSchema* schema)
      : graph_(*graph),
        target_(std::move(target)),
        inputs_(node["inputs"].Items()),
        schema_(schema) {}

  Value* Find(const char* name) const override {
    const StrictJson* input = FindInput(inputs_, name);
    if (input == nullptr) return nullptr;
    c10::TypePtr wanted;
    for (const c10::Argument& argument :
         schema_ != nullptr ? schema_->arguments() : std::vector<c10::Argument>()) {
      if (argument.name() == name) wanted = WithoutOptional(argument.type());
    }
    return graph_.Read((*input)["arg"], wanted);
  }
  Value* Get(const char* name) const override {
    Value* const value = Find(name);
    if (value == nullptr) Reject(absl::StrCat("a node of ", target_, " lacks \"", name, "\""));
    return value;
  }

 private:
  ExportedGraph& graph_;
  const std::string target_;
  const std::vector<StrictJson> inputs_;
  const c10::FunctionSchema* const schema_;
};

ExportedGraph::ExportedGraph()
    : module_(c10::QualifiedName("__torch__.acclimate", "Exported"),
              std::make_shared<torch::jit::CompilationUnit>()),
      graph_(std::make_shared<torch::jit::Graph>()) {
  module_.register_attribute("training", c10::BoolType::get(), true);
  self_ = graph_->addInput("self");
  self_->setType(module_.type());
}

// Dotted names become nested modules.
ExportedGraph::Owner ExportedGraph::OwnerOf(const std::string& name) {
  std::vector<std::string> parts = absl::StrSplit(name, '.');
  const bool empty = std::count(parts.begin(), parts.end(), "") > 0;
  if (empty || parts.size() > kMaxNameParts) {
    Reject(absl::StrCat("a tensor has the name \"", name.substr(0, 100), "\"; wanted are at most ",
                        kMaxNameParts, " parts with dots between them"));
  }
  Owner owner{module_, self_, std::move(parts.back())};
  parts.pop_back();
  for (const std::string& part : parts) {
    if (!owner.module.hasattr(part)) {
      owner.module.register_module(
          part, Module(c10::QualifiedName("__torch__.acclimate", "Exported"),
                       module_._ivalue()->compilation_unit(), /*shouldMangle=*/true));
    }
    const c10::IValue child = owner.module.attr(part);
    if (!child.isModule()) {
      Reject(absl::StrCat("\"", name, "\" lies in \"", part, "\", which is a tensor"));
    }
    owner.module = child.toModule();
    owner.object = graph_->insertGetAttr(owner.object, part);
    owner.object->setType(owner.module.type());
  }
  if (owner.module.hasattr(owner.leaf)) {
    Reject(absl::StrCat("the program has two things of the name \"", name, "\""));
  }
  return owner;
}

void ExportedGraph::Register(const std::string& name, at::Tensor tensor, bool parameter) {
  Owner owner = OwnerOf(name);
  if (parameter) {
    owner.module.register_parameter(owner.leaf, std::move(tensor), /*is_buffer=*/false);
  } else {
    owner.module.register_buffer(owner.leaf, std::move(tensor));
  }
  tensors_[name] = graph_->insertGetAttr(owner.object, owner.leaf)->setType(c10::TensorType::get());
}

void ExportedGraph::AddTensor(const std::string& value, const std::string& name, at::Tensor tensor,
                              bool parameter) {
  Register(name, std::move(tensor), parameter);
  Define(value, tensors_.at(name));
}

void ExportedGraph::AddTied(const std::string& value, const std::string& name,
                            const std::string& first, bool parameter) {
  Register(name, TensorAt(module_, first), parameter);
  // Read under one name, so that the module has one parameter for both.
  Define(value, tensors_.at(first));
}

void ExportedGraph::AddInput(const std::string& value) {
  Define(value, graph_->addInput()->setType(c10::TensorType::get()));
  inputs_.push_back(value);
}

void ExportedGraph::Define(const std::string& value, Value* made) {
  if (!values_.emplace(value, made).second) {
    Reject(absl::StrCat("the program makes \"", value, "\" twice"));
  }
}

Value* ExportedGraph::ValueOf(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) {
    Reject(absl::StrCat("the program reads \"", name, "\", which nothing before makes"));
  }
  return found->second;
}

void ExportedGraph::AddNode(const StrictJson& node) {
  const std::string target = node["target"].Text();
  if (IsLeftOut(target, node)) return;
  if (SymbolicOperator(target) != nullptr) {
    AddSymbolic(target, node);
  } else {
    AddOperator(target, node);
  }
}

// Checks of what held when the program was exported; and the count of batches, which is made anew
// beside each batch norm.
bool ExportedGraph::IsLeftOut(const std::string& target, const StrictJson& node) {
  for (const char* check : {"_assert", "_functional_assert", "sym_constrain_range"}) {
    if (absl::StartsWith(target, absl::StrCat(kAten, check))) return true;
  }
  if (target != "torch.ops.aten.add_.Tensor") return false;
  const std::vector<StrictJson> inputs = node["inputs"].Items();
  const StrictJson* self = FindInput(inputs, "self");
  if (self == nullptr || !(*self)["arg"].Has("as_tensor")) return false;
  Value* const counter = ValueOf((*self)["arg"]["as_tensor"]["name"].Text());
  const auto path = AttributePath(counter);
  if (!path || !absl::EndsWith(*path, kCounter)) return false;
  in_training_ = true;
  for (const StrictJson& output : node["outputs"].Items()) Define(NameIn(output), counter);
  return true;
}

void ExportedGraph::AddSymbolic(const std::string& target, const StrictJson& node) {
  std::vector<torch::jit::NamedValue> inputs;
  for (const StrictJson& input : node["inputs"].Items()) {
    inputs.emplace_back(Read(input["arg"], nullptr));
  }
  const std::vector<StrictJson> outputs = node["outputs"].Items();
  if (outputs.size() != 1) {
    Reject(absl::StrCat("a node of ", target, " has ", outputs.size(), " outputs; wanted is 1"));
  }
  Value* made;
  try {
    made = graph_->insert(c10::Symbol::fromQualString(*SymbolicOperator(target)), inputs);
  } catch (const torch::jit::ErrorReport&) {
    Reject(absl::StrCat("a node gives ", target, " arguments that it does not take"));
  }
  // Powers and quotients of integers are floats to TorchScript.
  if (outputs[0].Has("as_sym_int") && made->type()->kind() == c10::TypeKind::FloatType) {
    made = graph_->insert(c10::Symbol::fromQualString("aten::Int"), {made});
  }
  Define(NameIn(outputs[0]), made);
}

void ExportedGraph::AddOperator(const std::string& target, const StrictJson& node) {
  const c10::OperatorName operation = OperatorIn(target);
  NoteMode(target, node);
  const auto schema = c10::Dispatcher::singleton().findSchema(operation);
  auto put_back =
      PutBack(operation.name, Arguments(this, target, node, schema ? &schema->schema() : nullptr),
              *graph_, Training());
  if (put_back) {
    Node* const made = put_back->front()->node();
    if (made->maybeSchema() == nullptr) RejectOperator(target);
    if (made->kind() == c10::aten::batch_norm) CountBatches(made);
    put_back->resize(schema ? schema->schema().returns().size() : node["outputs"].Items().size());
    NameOutputs(target, node, *put_back);
    return;
  }
  if (!schema) RejectOperator(target);
  std::vector<Value*> inputs;
  for (const c10::Argument& argument : schema->schema().arguments()) {
    inputs.push_back(InputOf(node, operation.name, argument));
  }
  const std::vector<c10::Argument>& returns = schema->schema().returns();
  Node* const made = graph_->insertNode(
      graph_->create(c10::Symbol::fromQualString(operation.name), inputs, returns.size()));
  for (size_t i = 0; i < returns.size(); ++i) made->outputs()[i]->setType(returns[i].type());
  // Which overload runs is found from the inputs: it must be one that takes the same.
  const c10::FunctionSchema* found = made->maybeSchema();
  const auto named_alike = [](const c10::Argument& a, const c10::Argument& b) {
    return a.name() == b.name();
  };
  if (found == nullptr || !std::equal(found->arguments().begin(), found->arguments().end(),
                                      schema->schema().arguments().begin(),
                                      schema->schema().arguments().end(), named_alike)) {
    Reject(absl::StrCat("a node gives ", target, " arguments that it does not take (LibTorch ",
                        TORCH_VERSION, ")"));
  }
  if (made->kind() == c10::aten::batch_norm) CountBatches(made);
  NameOutputs(target, node, made->outputs().vec());
}

// A list of tensors is one output to the operator.
void ExportedGraph::NameOutputs(const std::string& target, const StrictJson& node,
                                const std::vector<Value*>& made) {
  std::vector<StrictJson> outputs = node["outputs"].Items();
  if (outputs.size() == 1 && outputs[0].Has("as_tensors")) {
    const std::vector<StrictJson> items = outputs[0]["as_tensors"].Items();
    if (made.size() != 1 || !IsListOf(made[0]->type(), c10::TypeKind::TensorType)) {
      Reject(absl::StrCat("a node of ", target, " has a list of outputs, which it does not make"));
    }
    Node* const unpack = graph_->insertNode(graph_->createListUnpack(made[0], items.size()));
    for (size_t i = 0; i < items.size(); ++i) {
      Define(items[i]["name"].Text(), unpack->outputs()[i]);
    }
    return;
  }
  if (outputs.size() != made.size()) {
    Reject(absl::StrCat("a node of ", target, " has ", outputs.size(),
                        " outputs; the operator has ", made.size()));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].Has("as_none") || made[i] == nullptr) continue;
    if (outputs[i].Has("as_tensor") != made[i]->type()->isSubtypeOf(*c10::TensorType::get())) {
      Reject(absl::StrCat("output ", i, " of a node of ", target,
                          " is of another kind than the "
                          "operator's"));
    }
    Define(NameIn(outputs[i]), made[i]);
  }
}

// if self.training: self.num_batches_tracked.add_(1)
void ExportedGraph::CountBatches(const Node* batch_norm) {
  constexpr size_t kRunningMeanInput = 3;
  const auto mean = AttributePath(batch_norm->input(kRunningMeanInput));
  if (!mean) return;
  const auto counter = tensors_.find(absl::StrCat(
      mean->substr(0, mean->rfind('.') == std::string::npos ? 0 : mean->rfind('.') + 1), kCounter));
  if (counter == tensors_.end()) return;
  Node* const branch = graph_->insertNode(graph_->create(c10::prim::If, {Training()}, 0));
  torch::jit::Block* const counting = branch->addBlock();
  branch->addBlock();
  torch::jit::WithInsertPoint guard(counting);
  graph_->insert(c10::aten::add_, {counter->second, int64_t{1}});
}

// What the archive says of train and eval, which it keeps when it is given back.
void ExportedGraph::NoteMode(const std::string& target, const StrictJson& node) {
  for (const StrictJson& input : node["inputs"].Items()) {
    const std::string name = input["name"].Text();
    const StrictJson argument = input["arg"];
    if ((name == "train" || name == "training") && argument.Has("as_bool")) {
      has_modes_ = true;
      in_training_ |= argument["as_bool"].Flag() && !absl::StrContains(target, "batch_norm");
    }
    if (name == "dropout_p" && argument.Has("as_float")) {
      has_modes_ = true;
      in_training_ |= argument["as_float"].Real() > 0;
    }
    // Batch norm without stored statistics is in training for ever.
    if (name == "running_mean" && argument.Has("as_tensor")) {
      has_modes_ = true;
      const std::vector<StrictJson> inputs = node["inputs"].Items();
      const StrictJson* training = FindInput(inputs, "training");
      in_training_ |= training != nullptr && (*training)["arg"].Has("as_bool") &&
                      (*training)["arg"]["as_bool"].Flag();
    }
  }
  if (target != "torch.ops.aten.clone.default" || !node.Has("metadata")) return;
  const StrictJson metadata = node["metadata"];
  if (!metadata.Has("nn_module_stack")) return;
  const std::string stack = metadata["nn_module_stack"].Text();
  const size_t innermost = stack.rfind(';');
  lost_dropout_ |= absl::StrContains(stack.substr(innermost == std::string::npos ? 0 : innermost),
                                     "torch.nn.modules.dropout.");
}

Value* ExportedGraph::InputOf(const StrictJson& node, const std::string& operation,
                              const c10::Argument& argument) {
  const std::vector<StrictJson> inputs = node["inputs"].Items();
  if (IsModeFlag(argument)) {
    // Without stored statistics batch norm always uses those of the batch.
    const StrictJson* mean = FindInput(inputs, "running_mean");
    return mean != nullptr && (*mean)["arg"].Has("as_none") ? Constant(true) : Training();
  }
  // Off where the program was exported on a CPU; it changes nothing there.
  if (absl::StartsWith(argument.name(), "cudnn_enable")) return Constant(true);
  const StrictJson* input = FindInput(inputs, argument.name());
  if (input == nullptr) {
    if (!argument.default_value()) {
      Reject(absl::StrCat("a node of ", operation, " lacks \"", argument.name(), "\""));
    }
    return Constant(*argument.default_value());
  }
  const StrictJson given = (*input)["arg"];
  const bool reshapes = operation == "aten::view" || operation == "aten::reshape" ||
                        operation == "aten::_unsafe_view";
  if (given.Has("as_sym_ints")) {
    const StrictJson* self = FindInput(inputs, "self");
    const bool tensor = self != nullptr && (*self)["arg"].Has("as_tensor");
    return Sizes(given["as_sym_ints"], reshapes,
                 tensor ? (*self)["arg"]["as_tensor"]["name"].Text() : "");
  }
  Value* const value = Read(given, WithoutOptional(argument.type()));
  if (argument.name() != "dropout_p") return value;
  // Attention takes its dropout as a plain number: none in evaluation.
  Value* const on = graph_->insert(c10::Symbol::fromQualString("aten::Int"), {Training()});
  return graph_->insert(c10::aten::mul, {value, on});
}

// A reshape's sizes may hold one to be inferred, when all others are numbers. `self`, when known,
// is the tensor that they are sizes for.
Value* ExportedGraph::Sizes(const StrictJson& list, bool may_infer, const std::string& self) {
  std::vector<Value*> sizes;
  std::vector<size_t> named;
  for (const StrictJson& item : list.Items()) {
    const auto [kind, value] = item.Choice();
    if (kind == "as_name") {
      named.push_back(sizes.size());
      sizes.push_back(SizeOf(value.Text(), self));
    } else {
      may_infer &= value.Integer() != kInferred && value.Integer() != 0;
      sizes.push_back(Constant(value.Integer()));
    }
  }
  if (may_infer && named.size() == 1) sizes[named[0]] = Constant(kInferred);
  return graph_->insertNode(graph_->createList(c10::IntType::get(), sizes))->output();
}

// A size that `self` has too is read from there: as code that asks for x.size(0) does, and without
// one more way from the inputs to the logits.
Value* ExportedGraph::SizeOf(const std::string& symbol, const std::string& self) {
  Value* const named = ValueOf(symbol);
  const auto expression = symbols_.find(symbol);
  const auto shape = shapes_.find(self);
  if (expression == symbols_.end() || shape == shapes_.end()) return named;
  for (size_t i = 0; i < shape->second.size(); ++i) {
    if (shape->second[i] != expression->second) continue;
    return graph_->insert(c10::aten::size, {ValueOf(self), static_cast<int64_t>(i)});
  }
  return named;
}

void ExportedGraph::AddShapes(const StrictJson& graph) {
  const auto expression = [](const StrictJson& size) {
    const auto [kind, value] = size.Choice();
    return kind == "as_expr" ? value["expr_str"].Text() : std::string();
  };
  for (const auto& [name, size] : graph["sym_int_values"].Members()) {
    std::string text = expression(size);
    if (!text.empty()) symbols_.emplace(name, std::move(text));
  }
  for (const auto& [name, meta] : graph["tensor_values"].Members()) {
    std::vector<std::string> sizes;
    for (const StrictJson& size : meta["sizes"].Items()) sizes.push_back(expression(size));
    shapes_.emplace(name, std::move(sizes));
  }
}

// `wanted`, when known, settles what a schema leaves open: a float given as an integer.
Value* ExportedGraph::Read(const StrictJson& argument, const c10::TypePtr& wanted) {
  const auto [kind, value] = argument.Choice();
  const auto is = [&](c10::TypeKind type) { return wanted != nullptr && wanted->kind() == type; };
  const auto tensor = [this](const StrictJson& item) { return ValueOf(item["name"].Text()); };
  const auto list = [&](const c10::TypePtr& type, const std::vector<Value*>& items) {
    return graph_->insertNode(graph_->createList(type, items))->output();
  };
  if (kind == "as_none") return Constant(c10::IValue());
  if (kind == "as_tensor") return tensor(value);
  if (kind == "as_int") {
    if (is(c10::TypeKind::FloatType)) return Constant(static_cast<double>(value.Integer()));
    if (wanted != nullptr && IsListOf(wanted, c10::TypeKind::IntType)) {
      return Constant(std::vector<int64_t>{value.Integer()});
    }
    return Constant(value.Integer());
  }
  if (kind == "as_float") return Constant(value.Real());
  if (kind == "as_bool") {
    if (is(c10::TypeKind::NumberType)) return Constant(int64_t{value.Flag()});
    return Constant(value.Flag());
  }
  if (kind == "as_string") return Constant(value.Text());
  if (kind == "as_ints") {
    std::vector<int64_t> items;
    for (const StrictJson& item : value.Items()) items.push_back(item.Integer());
    return Constant(items);
  }
  if (kind == "as_floats") {
    std::vector<double> items;
    for (const StrictJson& item : value.Items()) items.push_back(item.Real());
    return Constant(items);
  }
  if (kind == "as_bools") {
    c10::List<bool> items;
    for (const StrictJson& item : value.Items()) items.push_back(item.Flag());
    return Constant(items);
  }
  if (kind == "as_scalar_type") {
    return Constant(static_cast<int64_t>(ExportedDtype(value.Integer())));
  }
  if (kind == "as_memory_format") {
    return Constant(static_cast<int64_t>(MemoryFormatOf(value.Integer())));
  }
  if (kind == "as_layout") {
    constexpr int64_t kStrided = 7;
    if (value.Integer() != kStrided)
      Reject("a node asks for a sparse tensor; wanted are dense ones");
    return Constant(static_cast<int64_t>(at::kStrided));
  }
  // Wherever it was exported: graphs are moved to the device that the model is on.
  if (kind == "as_device") return Constant(c10::Device(at::kCPU));
  if (kind == "as_sym_int" || kind == "as_sym_float" || kind == "as_sym_bool") {
    const auto [form, item] = value.Choice();
    if (form == "as_name") return ValueOf(item.Text());
    if (form == "as_int") return Constant(item.Integer());
    if (form == "as_float") return Constant(item.Real());
    return Constant(item.Flag());
  }
  if (kind == "as_sym_ints") return Sizes(value, /*may_infer=*/false, "");
  if (kind == "as_optional_tensor") {
    return value.Has("as_tensor") ? tensor(value["as_tensor"]) : Constant(c10::IValue());
  }
  if (kind == "as_tensors" || kind == "as_optional_tensors") {
    std::vector<Value*> items;
    for (const StrictJson& item : value.Items()) {
      if (kind == "as_tensors") {
        items.push_back(tensor(item));
      } else {
        items.push_back(item.Has("as_tensor") ? tensor(item["as_tensor"])
                                              : Constant(c10::IValue()));
      }
    }
    const bool optional = wanted != nullptr && IsListOf(wanted, c10::TypeKind::OptionalType);
    return list(optional ? c10::TypePtr(c10::OptionalType::ofTensor())
                         : c10::TypePtr(c10::TensorType::get()),
                items);
  }
  Reject(absl::StrCat("an argument of kind \"", kind, "\" is not read (LibTorch ", TORCH_VERSION,
                      ")"));
}

Value* ExportedGraph::Training() {
  return graph_->insertGetAttr(self_, "training")->setType(c10::BoolType::get());
}

void ExportedGraph::AddMutation(const std::string& buffer, const std::string& value) {
  Value* const made = ValueOf(value);
  const auto own = tensors_.find(buffer);
  if (own == tensors_.end()) {
    Reject(absl::StrCat("the program changes \"", buffer, "\", which it does not have"));
  }
  // Batch norm writes its statistics itself, and batches are counted beside it.
  if (made == own->second) return;
  if (absl::EndsWith(buffer, kCounter)) {
    in_training_ = true;
    return;
  }
  graph_->insert(c10::aten::copy_, {own->second, made});
}

Module ExportedGraph::Finish(const std::vector<std::string>& outputs) {
  if (inputs_.empty()) Reject("the program takes no tensor; a classifier takes one");
  if (outputs.empty()) Reject("the program gives back no tensor; a classifier gives its logits");
  std::vector<Value*> tensors;
  for (const std::string& output : outputs) {
    tensors.push_back(ValueOf(output));
    if (!tensors.back()->type()->isSubtypeOf(*c10::TensorType::get())) {
      Reject(absl::StrCat("the program gives back \"", output, "\", which is no tensor"));
    }
  }
  Value* const result =
      tensors.size() == 1 ? tensors[0] : graph_->insertNode(graph_->createTuple(tensors))->output();
  graph_->registerOutput(result);
  torch::jit::EliminateDeadCode(graph_);
  for (size_t i = inputs_.size(); i > 0; --i) {
    if (inputs_.size() == 1 || graph_->inputs().at(i)->hasUses()) continue;
    graph_->eraseInput(i);
    inputs_.erase(inputs_.begin() + static_cast<int64_t>(i) - 1);
  }
  graph_->lint();
  torch::jit::Function* const forward = module_._ivalue()->compilation_unit()->create_function(
      c10::QualifiedName(*module_.type()->name(), "forward"), graph_);
  module_.type()->addMethod(forward);
  std::vector<c10::Argument> arguments = {c10::Argument("self", module_.type())};
  for (const std::string& input : inputs_) arguments.emplace_back(input, c10::TensorType::get());
  forward->setSchema(c10::FunctionSchema("forward", "", std::move(arguments),
                                         {c10::Argument("", result->type())}));
  return module_;
}

}  // namespace acclimate::model
