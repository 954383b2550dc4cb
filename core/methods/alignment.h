// What the methods with labelled source data share: their plan, their hyperparameters, the
// target's statistics at the end.
#ifndef ACCLIMATE_CORE_METHODS_ALIGNMENT_H_
#define ACCLIMATE_CORE_METHODS_ALIGNMENT_H_

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/methods/method.h"
#include "core/methods/optimization.h"

namespace acclimate::methods {

// Moves every parameter; an epoch is one pass over the target.
class AlignmentTask : public train::Task {
 public:
  const train::Plan& plan() const override { return plan_; }
  absl::Status Finish(train::StopSignal& stop) override;

 protected:
  explicit AlignmentTask(const MethodContext& context);

  model::Model& model_;
  const double trade_off_;
  train::Plan plan_;

 private:
  const data::Dataset& target_;
  const at::Device device_;
  const bool target_statistics_;
};

// A discrepancy of features [n, D] and [m, D], as a scalar.
using Discrepancy = at::Tensor (*)(const at::Tensor& source, const at::Tensor& target);

// CE(source) + trade_off * discrepancy(features of the source, features of the target), each domain
// forwarded by itself and normalised by its own batch statistics, as DAN does.
absl::StatusOr<std::unique_ptr<train::Task>> MakeDiscrepancyTask(const MethodContext& context,
                                                                 Discrepancy discrepancy);

// Data needs and hyperparameters; the caller adds names and texts.
MethodSpec AlignmentSpec(const OptimizationDefaults& defaults, double trade_off);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_ALIGNMENT_H_
