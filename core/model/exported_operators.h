// Operators that run_decompositions() takes apart, put back as what a TorchScript file holds.
#ifndef ACCLIMATE_CORE_MODEL_EXPORTED_OPERATORS_H_
#define ACCLIMATE_CORE_MODEL_EXPORTED_OPERATORS_H_

#include <optional>
#include <string>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>

namespace acclimate::model {

// What a node gives its operator, by the names of the operator's schema.
class OperatorArguments {
 public:
  virtual ~OperatorArguments() = default;
  // nullptr when the node does not give it: the schema's default holds.
  virtual torch::jit::Value* Find(const char* name) const = 0;
  // Throws std::runtime_error when the node does not give it.
  virtual torch::jit::Value* Get(const char* name) const = 0;
};

// The node's outputs in order, made at the graph's insertion point by the operator that stands for
// `name` ("aten::_native_batch_norm_legit_no_training") in a network's code: batch norm with the
// module's running statistics, which it updates itself; dropout and attention, which follow
// `training`; linear layers and convolutions. Computes the same numbers. nullptr stands for an
// output that nobody needs. Nothing when the operator is to be used as it is.
std::optional<std::vector<torch::jit::Value*>> PutBack(const std::string& name,
                                                       const OperatorArguments& arguments,
                                                       torch::jit::Graph& graph,
                                                       torch::jit::Value* training);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_EXPORTED_OPERATORS_H_
