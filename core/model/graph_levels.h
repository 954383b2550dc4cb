// The places where a forward graph can be cut in two: everything behind such a place depends on the
// inputs through one tensor alone.
#ifndef ACCLIMATE_CORE_MODEL_GRAPH_LEVELS_H_
#define ACCLIMATE_CORE_MODEL_GRAPH_LEVELS_H_

#include <memory>
#include <string>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>

#include "core/model/model.h"

namespace acclimate::model {

// The levels of a graph (self, inputs) -> (features, logits), in forward order; the last one is the
// features. A level is the input of a convolution or of a linear layer, with at least one layer
// between it and the level before it. Inside a residual block there is none: two paths run there.
std::vector<Level> FindLevels(const std::shared_ptr<torch::jit::Graph>& graph);

// (self, inputs) -> the tensor at each of `levels`, followed by the graph's own outputs when
// `with_outputs`. Levels count as in FindLevels().
std::shared_ptr<torch::jit::Graph> GraphTo(const std::shared_ptr<torch::jit::Graph>& graph,
                                           const std::vector<size_t>& levels, bool with_outputs);

// (self, tensor at `level`) -> (features, logits).
std::shared_ptr<torch::jit::Graph> GraphFrom(const std::shared_ptr<torch::jit::Graph>& graph,
                                             size_t level);

// (self, inputs, one tensor for each of `names`) -> (features, logits): what the graph read from
// the module under those dotted paths comes from the caller.
std::shared_ptr<torch::jit::Graph> WithParametersAsInputs(
    const std::shared_ptr<torch::jit::Graph>& graph, const std::vector<std::string>& names);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_GRAPH_LEVELS_H_
