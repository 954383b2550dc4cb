#include "core/methods/linear_peer.h"

#include <ATen/ATen.h>

#include <vector>

#include "core/selection/predictions.h"
#include "core/shift/linear_classifier.h"
#include "core/shift/standardization.h"

namespace acclimate::methods {
namespace {

constexpr double kPeerPenalty = 1e-2;
constexpr int64_t kMostCoordinates = 10000;  // beside 2000 samples a side: 80 MB each
constexpr int64_t kMostWeights = 200000;     // some seconds on one core

// Of all datasets together: labelled vectors on the CPU.
data::Batch Joined(const std::vector<data::Dataset>& datasets) {
  std::vector<at::Tensor> inputs, labels;
  for (const data::Dataset& dataset : datasets) {
    data::Batch batch = dataset.Slice(0, dataset.size(), at::kCPU);
    inputs.push_back(batch.inputs);
    labels.push_back(batch.labels);
  }
  return {at::cat(inputs), at::cat(labels)};
}

}  // namespace

absl::optional<selection::Candidate> LinearPeer(const MethodContext& context,
                                                const selection::Examiner& examiner) {
  const data::Dataset& target = examiner.target_sample();
  const std::vector<int64_t> shape = target.sample_shape();
  const int64_t classes = context.model.num_classes();
  if (shape.size() != 1 || shape[0] > kMostCoordinates || shape[0] * classes > kMostWeights ||
      !examiner.has_source()) {
    return absl::nullopt;
  }
  const data::Batch source =
      Joined(selection::SampleEach(context.sources, selection::Examiner::kSamples, context.seed));
  const data::Batch held_out = Joined(examiner.held_out_samples());
  const shift::LinearClassifier classifier =
      shift::FitLinearClassifier(source.inputs, source.labels, classes, kPeerPenalty);
  const at::Tensor target_logits = classifier.Logits(
      shift::AlignedMoments(source.inputs, target.Slice(0, target.size(), at::kCPU).inputs));
  const at::Tensor held_out_logits = classifier.Logits(held_out.inputs);
  // Its logits are the features that it has: who asks it goes by what it says, not by clusters.
  return selection::Score({target_logits, target_logits, {}},
                          selection::Predictions{held_out_logits, held_out_logits, held_out.labels},
                          absl::nullopt);
}

}  // namespace acclimate::methods
