// The forward graph of a TorchScript module, fixed to one mode.
#ifndef ACCLIMATE_CORE_MODEL_MODE_GRAPH_H_
#define ACCLIMATE_CORE_MODEL_MODE_GRAPH_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include "core/model/model.h"

namespace acclimate::model {

// forward() inlined, with every train/eval decision made for `mode`: `training` attributes of
// scripted modules folded, flags baked in by tracing rewritten, writes to temporaries removed.
// Constants of a traced module that live on a device are moved to `device`. Throws c10::Error.
std::shared_ptr<torch::jit::Graph> SpecialiseGraph(const torch::jit::Module& module, Mode mode,
                                                   const at::Device& device);

// Takes num_batches_tracked.add_(1) out, which scripting keeps and a trace in training mode bakes
// in.
void StopCountingBatches(torch::jit::Graph* graph);

// What SpecialiseGraph could not restore, one line each; `evaluation` is its graph for kEvaluation.
std::vector<std::string> ModeWarnings(const torch::jit::Module& module,
                                      const torch::jit::Graph& evaluation);

// "layer1.0.conv1.weight" when `value` is that attribute of the module; nothing otherwise.
std::optional<std::string> AttributePath(const torch::jit::Value* value);

// Every node of the graph, those of nested blocks included, in execution order.
std::vector<torch::jit::Node*> AllNodes(const torch::jit::Graph& graph);

// The tensor, or the undefined one (an attribute of None), at a dotted path of `module`.
at::Tensor TensorAt(const torch::jit::Module& module, const std::string& path);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_MODE_GRAPH_H_
