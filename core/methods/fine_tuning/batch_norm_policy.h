// Which statistics batch norm goes by while a checkpoint is trained on another domain.
#ifndef ACCLIMATE_CORE_METHODS_FINE_TUNING_BATCH_NORM_POLICY_H_
#define ACCLIMATE_CORE_METHODS_FINE_TUNING_BATCH_NORM_POLICY_H_

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/methods/method.h"
#include "core/methods/target_statistics.h"
#include "core/model/model.h"
#include "core/train/stop_signal.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

// The hyperparameters batch_norm and batch_norm_alpha.
std::vector<HyperparameterSpec> BatchNormSettings();

// INVALID_ARGUMENT: a policy that refers to a source, over a fresh model or one without batch norm.
absl::Status CheckBatchNormPolicy(const MethodContext& context);

//   batch_statistics   those of each batch; the stored ones follow with their momentum
//   source_statistics  the stored ones, which stay
//   target_statistics  those of each batch; the stored ones are the whole target's before the first
//                      and after the last step
//   mixed              (1 - alpha) source + alpha target, taken once, which stay
//   auto               one of the last three, by the similarity of the two domains
//
// Similarity is the Bhattacharyya coefficient (1943) of the normal distributions that a channel's
// statistics describe, source against target,
//
//   sqrt(2 s t / (s^2 + t^2)) exp(-(m_s - m_t)^2 / (4 (s^2 + t^2))),    in (0, 1], 1 when equal,
//
// the mean over the channels of every batch-norm layer with the source's statistics in place.
//
// Over a model that still is the checkpoint's; model and target outlive it.
class BatchNormPolicy {
 public:
  explicit BatchNormPolicy(const MethodContext& context);

  // Before the first step. May be stopped and repeated, also when it was stopped in another
  // process.
  absl::Status Begin(train::StopSignal& stop);
  // After the last step; the same.
  absl::Status End(train::StopSignal& stop);

  // Of the forward passes to train by. Stored statistics are used in evaluation mode: no dropout.
  model::Mode mode() const;

  train::TensorMap State() const;
  absl::Status Restore(const train::TensorMap& state);

  // After Begin(): the policy, for `auto` also the similarity and the decision in words.
  nlohmann::json Report() const;
  std::vector<std::string> Warnings() const;

 private:
  enum class Kind { kBatch, kSource, kTarget, kMixed };
  static Kind KindNamed(const std::string& name);
  static std::string NameOf(Kind kind);

  void ReturnToSource();
  absl::StatusOr<double> MeasureSimilarity(train::StopSignal& stop);
  std::string Decision() const;

  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const bool automatic_;
  const double alpha_;
  std::vector<ChannelStatistics> source_;  // of the checkpoint, as stored, by layer
  Kind kind_;
  double similarity_ = 1;  // of `auto`
};

// The coefficient above, by channel; variances are positive. All [C].
at::Tensor ChannelSimilarity(const ChannelStatistics& source, const ChannelStatistics& target);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_FINE_TUNING_BATCH_NORM_POLICY_H_
