#include "core/model/graph_program.h"

#include <utility>

#include "core/model/channels_last_graph.h"
#include "core/model/single_precision.h"

namespace acclimate::model {
namespace {

std::shared_ptr<torch::jit::Graph> Prepared(const torch::jit::Graph& graph,
                                            std::optional<size_t> features) {
  std::shared_ptr<torch::jit::Graph> prepared = WithOwnConvolutions(graph);
  if (features) ComputeInFloatFrom(prepared->outputs().at(*features));
  return prepared;
}

}  // namespace

GraphProgram::GraphProgram(const std::shared_ptr<torch::jit::Graph>& graph, const std::string& name,
                           std::optional<size_t> features)
    : code_(Prepared(*graph, features), name), outputs_(graph->outputs().size()) {}

std::vector<at::Tensor> GraphProgram::Run(const torch::jit::Module& self, const at::Tensor& input,
                                          const std::vector<at::Tensor>& more) const {
  torch::jit::Stack stack{self._ivalue(), input};
  stack.insert(stack.end(), more.begin(), more.end());
  torch::jit::InterpreterState(code_).run(stack);
  std::vector<at::Tensor> results;
  results.reserve(outputs_);
  for (c10::IValue& value : stack) results.push_back(std::move(value).toTensor());
  return results;
}

}  // namespace acclimate::model
