// A module whose forward() is the graph of a torch.export program.
#ifndef ACCLIMATE_CORE_MODEL_EXPORTED_GRAPH_H_
#define ACCLIMATE_CORE_MODEL_EXPORTED_GRAPH_H_

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include "core/model/exported_json.h"

namespace acclimate::model {

// Builds the module piece by piece: first its tensors and inputs, then the nodes in order, then
// Finish(), once. The module has the program's dotted names; batch norm, dropout and attention
// follow its train() and eval(), and batches are counted as torch.nn.BatchNorm counts them. Nothing
// is executed. What fails throws std::runtime_error with one sentence, or c10::Error.
class ExportedGraph {
 public:
  ExportedGraph();

  // What the program says of the sizes of its values; before any node.
  void AddShapes(const StrictJson& graph);
  // `value` is the name that nodes read it by, `name` the dotted one in the module.
  void AddTensor(const std::string& value, const std::string& name, at::Tensor tensor,
                 bool parameter);
  // A tensor under one more name: `first` is the dotted one of the tensor that is there.
  void AddTied(const std::string& value, const std::string& name, const std::string& first,
               bool parameter);
  void AddInput(const std::string& value);
  void AddNode(const StrictJson& node);
  // A buffer that the program gives back changed: the module's own is written to.
  void AddMutation(const std::string& buffer, const std::string& value);
  // Makes forward(): it takes the inputs that have an effect, the first at least, and returns the
  // tensor, or the tuple of them.
  torch::jit::Module Finish(const std::vector<std::string>& outputs);

  // By the names that nodes read them by; after Finish(), those that forward() takes.
  const std::vector<std::string>& inputs() const { return inputs_; }

  // Of the program that was read, for those who get it back.
  bool has_modes() const { return has_modes_; }        // batch norm, dropout or attention
  bool in_training() const { return in_training_; }    // some were exported in training mode
  bool lost_dropout() const { return lost_dropout_; }  // run_decompositions() took it out

 private:
  class Arguments;

  // The module that holds the last part of a dotted name, the value that stands for it, and the
  // part itself.
  struct Owner {
    torch::jit::Module module;
    torch::jit::Value* object;
    std::string leaf;
  };
  Owner OwnerOf(const std::string& name);
  void Register(const std::string& name, at::Tensor tensor, bool parameter);
  void Define(const std::string& value, torch::jit::Value* made);
  torch::jit::Value* ValueOf(const std::string& name) const;

  bool IsLeftOut(const std::string& target, const StrictJson& node);
  void AddSymbolic(const std::string& target, const StrictJson& node);
  void AddOperator(const std::string& target, const StrictJson& node);
  void NameOutputs(const std::string& target, const StrictJson& node,
                   const std::vector<torch::jit::Value*>& made);
  void CountBatches(const torch::jit::Node* batch_norm);
  void NoteMode(const std::string& target, const StrictJson& node);
  torch::jit::Value* InputOf(const StrictJson& node, const std::string& operation,
                             const c10::Argument& argument);
  torch::jit::Value* Read(const StrictJson& argument, const c10::TypePtr& wanted);
  torch::jit::Value* Sizes(const StrictJson& list, bool may_infer, const std::string& self);
  torch::jit::Value* SizeOf(const std::string& symbol, const std::string& self);
  torch::jit::Value* Training();
  torch::jit::Value* Constant(const c10::IValue& value) { return graph_->insertConstant(value); }

  torch::jit::Module module_;
  std::shared_ptr<torch::jit::Graph> graph_;
  torch::jit::Value* self_;
  std::unordered_map<std::string, torch::jit::Value*> values_;   // by the program's names
  std::unordered_map<std::string, torch::jit::Value*> tensors_;  // by dotted name
  std::vector<std::string> inputs_;
  // Expressions of sizes that have a name: of numbers, and of each dimension of tensors ("" for one
  // without a name).
  std::unordered_map<std::string, std::string> symbols_;
  std::unordered_map<std::string, std::vector<std::string>> shapes_;
  bool has_modes_ = false, in_training_ = false, lost_dropout_ = false;
};

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_EXPORTED_GRAPH_H_
