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
  CollapseWatch(int64_t num_classes, int64_t total_steps);

  // Of the target's batch, [m, C]. source_labels: int64 [n], what the spread of the predictions is
  // held against; undefined where there is no source: all classes alike.
  void SeePredictions(int64_t step, const at::Tensor& target_logits,
                      const at::Tensor& source_labels = {});
  // Logits [n, 1] and [m, 1] of a discriminator that answers source = 1, target = 0. Returns its
  // accuracy on this batch, each domain weighing the same; 0.5 is what alignment aims at.
  double SeeDomains(int64_t step, const at::Tensor& source_domain_logits,
                    const at::Tensor& target_domain_logits);

  // In words; empty when nothing is wrong.
  std::vector<std::string> Warnings() const;

  train::TensorMap State() const;
  // INVALID_ARGUMENT: a tensor is missing or misshapen; others are left alone.
  absl::Status Restore(const train::TensorMap& state);

 private:
  bool Watches(int64_t step) const;

  const int64_t total_steps_;
  // Sums over the steps that count, on the CPU.
  at::Tensor predicted_, labelled_;  // int64 [C]: predictions on the target, labels of the source
  at::Tensor domains_;               // double [2]: sum of the accuracies, their number
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_ALIGNMENT_COLLAPSE_WATCH_H_
