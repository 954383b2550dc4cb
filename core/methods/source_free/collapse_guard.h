// Holds a run without labels back from its usual end when it goes wrong: every sample in one class.
#ifndef ACCLIMATE_CORE_METHODS_SOURCE_FREE_COLLAPSE_GUARD_H_
#define ACCLIMATE_CORE_METHODS_SOURCE_FREE_COLLAPSE_GUARD_H_

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/status.h"
#include "core/train/optimizer.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

// Predictions counted: their mean, and how often each class came first.
class PredictionTally {
 public:
  explicit PredictionTally(int64_t classes);
  void Add(const at::Tensor& logits);  // [B, C]

  int64_t samples() const;
  double MeanEntropy() const;   // H(mean_i p_i), in nats
  double LargestShare() const;  // of the class that came first most often, in [0, 1]

  train::TensorMap State() const;
  absl::Status Restore(const train::TensorMap& state);

 private:
  at::Tensor probabilities_;  // double [C], summed
  at::Tensor firsts_;         // double [C]
};

// Compares the predictions of one window of samples after the other with those of the first batch,
// made before any update. A collapse is a mean prediction with less than half of its entropy at the
// beginning, or nine of ten samples in one class where there were fewer than seven. The protected
// weights then go back to where the last sound window began, and the caller stops updating: the
// same loss would lead to the same end.
class CollapseGuard {
 public:
  explicit CollapseGuard(int64_t classes);

  // Weights to put back; their present values are the first good ones. The tensors are aliased.
  void Protect(const std::vector<train::NamedParameter>& weights);

  // Predictions [B, C] of the weights as they stand. True: they had collapsed and were put back.
  bool Observe(const at::Tensor& logits, int64_t step);
  // The same for a whole set at once, at the end of a run.
  bool Judge(const PredictionTally& tally, int64_t step);

  bool halted() const { return collapsed_at_ >= 0; }
  void Report(nlohmann::json& report) const;  // under "collapse_guard"
  std::vector<std::string> Warnings() const;

  train::TensorMap State() const;
  absl::Status Restore(const train::TensorMap& state);

 private:
  bool HasReference() const { return first_entropy_ >= 0; }
  bool Collapsed(const PredictionTally& tally) const;
  void PutBack(int64_t step);

  const int64_t classes_;
  std::vector<train::NamedParameter> weights_;
  train::TensorMap good_;   // by name: at the beginning of the last sound window
  train::TensorMap start_;  // at the beginning of this one
  PredictionTally window_;
  double first_entropy_ = -1, first_share_ = 0;
  double last_entropy_ = -1, last_share_ = 0;
  int64_t collapsed_at_ = -1;  // step; -1: never
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_SOURCE_FREE_COLLAPSE_GUARD_H_
