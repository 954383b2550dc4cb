// What a network takes, and how it reaches it: every method handles one float tensor a batch, so
// whole numbers (token ids, masks) and several inputs travel in one, and are taken out of it where
// the network begins.
#ifndef ACCLIMATE_CORE_MODEL_PACKED_INPUTS_H_
#define ACCLIMATE_CORE_MODEL_PACKED_INPUTS_H_

#include <vector>

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include "absl/status/status.h"
#include "core/model/model.h"

namespace acclimate::model {

// INVALID_ARGUMENT: no forward(), or one that has to be given something else than tensors.
absl::Status CheckSignature(const torch::jit::Module& module);
// The arguments of forward() that a sample has to bring: the first, and those without a default.
std::vector<ModelInput> ArgumentsOf(const torch::jit::Module& module);
// In the graph of forward(): the other arguments get their default values.
void FillDefaults(const torch::jit::Module& module, torch::jit::Graph& graph);

// Takes (self, a, b, ...) and makes it (self, packed): packed is float, [N, ...] of one input and
// [N, k, ...] of k, of which plane i is inputs[i]. Each is cast to its type. The types of `inputs`
// are those of the graph where they are known; what an embedding looks up is int64 in any case.
// Fills in `embedding`. One input of floats is left as it is.
void PackInputs(torch::jit::Graph& graph, std::vector<ModelInput>& inputs);

// Of inputs whose embeddings are known.
void CountVocabularies(const torch::jit::Module& module, std::vector<ModelInput>& inputs);

// What the module takes, by a look at its code; `known`: as its form says, or empty.
std::vector<ModelInput> InputsOf(const torch::jit::Module& module, std::vector<ModelInput> known);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_PACKED_INPUTS_H_
