// Tells from the last quarter of a training whether it came to nothing: a discriminator that won,
// or predictions on the target that fell onto few classes.
#ifndef ACCLIMATE_CORE_METHODS_ALIGNMENT_COLLAPSE_WATCH_H_
#define ACCLIMATE_CORE_METHODS_ALIGNMENT_COLLAPSE_WATCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

// Its state belongs to the task's. Not thread-safe.
class CollapseWatch {
 public:
  CollapseWatch(int64_t num_classes, int64_t total_steps, const at::Device& device);

  // progress: a scalar as in StepInput. target_logits: [m, C] of the target's batch. source_labels:
  // int64 [n], what the spread of the predictions is held against; undefined where there is no
  // source: all classes alike.
  void SeePredictions(const at::Tensor& progress, const at::Tensor& target_logits,
                      const at::Tensor& source_labels = {});
  // Logits [n, 1] and [m, 1] of a discriminator that answers source = 1, target = 0. Returns its
  // accuracy on this batch, a double scalar, each domain weighing the same; 0.5 is what alignment
  // aims at.
  at::Tensor SeeDomains(const at::Tensor& progress, const at::Tensor& source_domain_logits,
                        const at::Tensor& target_domain_logits);

  // In words; empty when nothing is wrong.
  std::vector<std::string> Warnings() const;

  train::TensorMap State() const;
  // INVALID_ARGUMENT: a tensor is missing or misshapen; others are left alone.
  absl::Status Restore(const train::TensorMap& state);

 private:
  // A boolean scalar: the last quarter of the steps.
  at::Tensor Watches(const at::Tensor& progress) const;

  const double begin_;  // the progress beyond which it watches
  // Sums over the steps that count, on the device.
  at::Tensor predicted_, labelled_;  // int64 [C]: predictions on the target, labels of the source
  at::Tensor domains_;               // double [2]: sum of the accuracies, their number
  at::Tensor classes_;               // int64 [C]: 0, 1, ...
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_ALIGNMENT_COLLAPSE_WATCH_H_
