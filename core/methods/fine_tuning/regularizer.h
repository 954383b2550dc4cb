// What keeps fine-tuning from forgetting: a penalty added to the loss.
#ifndef ACCLIMATE_CORE_METHODS_FINE_TUNING_REGULARIZER_H_
#define ACCLIMATE_CORE_METHODS_FINE_TUNING_REGULARIZER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "core/data/dataset.h"
#include "core/methods/method.h"
#include "core/model/model.h"
#include "core/train/stop_signal.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

// Made over a model that still is the checkpoint's; the model outlives it.
class Regularizer {
 public:
  virtual ~Regularizer() = default;

  virtual std::string name() const = 0;  // as the hyperparameter has it
  // The optimiser is to leave weight decay to the penalty.
  virtual bool replaces_weight_decay() const { return true; }
  // Of the model, to be passed through in the forward pass.
  virtual std::vector<size_t> levels() const { return {}; }

  // Before the first step, with the batch-norm statistics that training starts from: what it must
  // know of the checkpoint, from labelled samples to train on. May be stopped and repeated.
  virtual absl::Status Measure(const data::Batch& /*labelled*/, train::StopSignal& /*stop*/) {
    return absl::OkStatus();
  }
  // A scalar, for the forward pass of `inputs` through levels() in `mode`.
  virtual at::Tensor Penalty(const at::Tensor& inputs, const model::LevelsResult& result,
                             model::Mode mode) = 0;

  virtual train::TensorMap State() const { return {}; }
  virtual absl::Status Restore(const train::TensorMap& /*state*/) { return absl::OkStatus(); }
};

// The hyperparameters regularizer, l2_weight, delta_weight, bss_weight and bss_singular_values.
std::vector<HyperparameterSpec> RegularizerSettings();

// INVALID_ARGUMENT: one that refers to a starting point, over a fresh model.
absl::Status CheckRegularizer(const MethodContext& context);

//   l2     l2_weight / 2 ||w||^2 over all weights
//   l2_sp  losses/l2_sp.h: alpha = l2_weight over everything below the classifier, beta =
//          weight_decay over the classifier
//   delta  delta_weight times losses/feature_map_distance.h, the sum over up to four levels, and
//          weight_decay / 2 ||w||^2 over the classifier. The start's maps are those of the
//          checkpoint's weights with the statistics that training starts from, or of the batch
//          where training goes by those
//   bss    bss_weight times losses/spectral_shrinkage.h of the features; weight decay stays
//
// Null for "none".
std::unique_ptr<Regularizer> MakeRegularizer(const MethodContext& context);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_FINE_TUNING_REGULARIZER_H_
