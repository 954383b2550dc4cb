// A graph whose convolutions are our own (convolution.h).
#ifndef ACCLIMATE_CORE_MODEL_CHANNELS_LAST_GRAPH_H_
#define ACCLIMATE_CORE_MODEL_CHANNELS_LAST_GRAPH_H_

#include <memory>
#include <set>
#include <string>

#include <torch/csrc/jit/ir/ir.h>

namespace acclimate::model {

// A copy of `graph` that computes the same. Convolutions become acclimate::conv2d, whose output is
// channels-last; what follows them (normalisation, activations, pooling) keeps that layout and is
// faster in it. Views become reshapes, since a view of a channels-last tensor may not exist.
//
// A graph that writes to temporaries stays as it is: a reshape that copies would lose the write.
std::shared_ptr<torch::jit::Graph> WithOwnConvolutions(const torch::jit::Graph& graph);

// Dotted paths of the weights that those convolutions read: worth storing channels-last.
std::set<std::string> ConvolutionWeights(const torch::jit::Graph& graph);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_CHANNELS_LAST_GRAPH_H_
