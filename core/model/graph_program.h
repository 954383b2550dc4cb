// A TorchScript graph made callable.
#ifndef ACCLIMATE_CORE_MODEL_GRAPH_PROGRAM_H_
#define ACCLIMATE_CORE_MODEL_GRAPH_PROGRAM_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/interpreter.h>

namespace acclimate::model {

// Runs operator by operator, never through the profiling executor: what it computes depends on its
// inputs alone, not on how often it ran before, so that a resumed job ends bit-equal. Immutable.
class GraphProgram {
 public:
  // `graph` takes (self, tensor, ...) and returns tensors. `features`: which of these the
  // classifier layer takes, if one does; it and what follows from it are float, autocast or not.
  GraphProgram(const std::shared_ptr<torch::jit::Graph>& graph, const std::string& name,
               std::optional<size_t> features);

  // One tensor for each output of the graph; `more` are its inputs behind the first tensor.
  // Gradients are recorded as the caller's grad mode says.
  std::vector<at::Tensor> Run(const torch::jit::Module& self, const at::Tensor& input,
                              const std::vector<at::Tensor>& more = {}) const;

 private:
  torch::jit::Code code_;
  size_t outputs_;
};

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_GRAPH_PROGRAM_H_
