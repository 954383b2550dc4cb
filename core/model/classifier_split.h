// The cut of a classifier's forward graph at the layer that makes the logits.
#ifndef ACCLIMATE_CORE_MODEL_CLASSIFIER_SPLIT_H_
#define ACCLIMATE_CORE_MODEL_CLASSIFIER_SPLIT_H_

#include <memory>
#include <set>
#include <string>

#include <torch/csrc/jit/ir/ir.h>

#include "absl/status/statusor.h"

namespace acclimate::model {

// Values of the graph that FindClassifier was given.
struct ClassifierSplit {
  torch::jit::Value* features;  // what the classifier layer takes
  torch::jit::Value* logits;    // what it leads to, before any softmax
  std::string weight;           // dotted path of the layer's weight
  int64_t class_dimension;      // the weight's dimension that counts the classes
  std::string softmax;          // the operator that was cut off behind the logits; or empty
};

// Walks back from the first tensor that forward() returns to the closest linear layer or
// convolution with a weight of the module. INVALID_ARGUMENT when there is none.
absl::StatusOr<ClassifierSplit> FindClassifier(const torch::jit::Graph& graph);

// The first tensor that forward() returns: itself, or inside a tuple, list or dictionary.
torch::jit::Value* FirstTensor(const torch::jit::Graph& graph);

// A graph (self, features) -> logits of the classifier alone. INVALID_ARGUMENT when the logits
// depend on the inputs in another way too.
absl::StatusOr<std::shared_ptr<torch::jit::Graph>> ClassifierGraph(
    const std::shared_ptr<torch::jit::Graph>& graph);

// For a graph that is cut at `cut`, a value of any layer: where what lies behind asks a tensor
// before it for its number of samples, it asks `cut`, which has as many.
void CountSamplesOf(torch::jit::Value* cut, torch::jit::Graph* graph);

// Takes out the checks of shapes that scripted layers make, which would keep alive every layer of a
// graph that is about to be cut.
void RemoveChecks(const std::shared_ptr<torch::jit::Graph>& graph);

// `graph` with these outputs instead of its own, and without what they do not need.
void SetOutputs(const std::shared_ptr<torch::jit::Graph>& graph,
                const std::vector<torch::jit::Value*>& outputs);

// Dotted paths of the attributes that the graph reads.
std::set<std::string> AttributePaths(const torch::jit::Graph& graph);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_CLASSIFIER_SPLIT_H_
