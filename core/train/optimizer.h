// Optimisers that update a parameter and its state in one pass over memory.
#ifndef ACCLIMATE_CORE_TRAIN_OPTIMIZER_H_
#define ACCLIMATE_CORE_TRAIN_OPTIMIZER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"

namespace acclimate::train {

struct NamedParameter {
  std::string name;   // unique over all groups: the key of its state
  at::Tensor tensor;  // a leaf, updated in place
};

struct ParameterGroup {
  std::vector<NamedParameter> parameters;
  double learning_rate_multiplier = 1.0;
};

struct OptimizerOptions {
  enum class Kind { kSgd, kAdam, kLars };
  Kind kind = Kind::kSgd;
  double learning_rate = 0.01;
  double weight_decay = 0.0;                          // added to the gradient, as torch.optim does
  double momentum = 0.9;                              // SGD, LARS
  bool nesterov = true;                               // SGD
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // Adam (Kingma & Ba 2015)
  double trust_coefficient = 0.001;                   // LARS (You et al. 2017)
};

// The same updates as torch.optim.SGD and Adam; and LARS (You et al., arXiv:1708.03888, 2017):
//
//   v <- momentum v + rate lambda (g + decay w),  w <- w - v,
//   lambda = trust_coefficient ||w|| / (||g|| + decay ||w||), a parameter tensor; 1 where w or
//   g + decay w is zero. Biases and batch-norm parameters (one dimension) have lambda = 1 and no
//   decay, as in SimCLR's code (Chen et al. 2020).
//
// Parameters without a gradient stay as they are. On an accelerator all parameters of a group are
// updated together, and the host waits for nothing.
// Not thread-safe. The result does not depend on the number of threads.
class Optimizer {
 public:
  Optimizer(const OptimizerOptions& options, std::vector<ParameterGroup> groups);
  virtual ~Optimizer() = default;

  void ZeroGradients();
  // Updates from now on are at learning_rate * factor * the group's multiplier.
  void SetRate(double factor);
  // One update. not_finite, on an accelerator alone: a float scalar that is 1 where no update may
  // be made, as LossScale gives it.
  void Step(const at::Tensor& not_finite = {});
  std::vector<at::Tensor> Gradients() const;

  // Forgets all that was gathered, as if no step had been made.
  void Restart();

  // Everything that the next Step() depends on but parameters and gradients, by
  // "<slot>/<parameter>".
  std::map<std::string, at::Tensor> State() const;
  // Copies in place. INVALID_ARGUMENT names a missing or misshapen tensor.
  absl::Status Restore(const std::map<std::string, at::Tensor>& state);

 protected:
  // Parameters of one group on an accelerator.
  struct Together {
    std::vector<at::Tensor> parameters, gradients;
    std::vector<std::vector<at::Tensor>> slots;  // by slot, then as the parameters
    std::vector<at::Tensor> updates;  // float scalars there: which one of each parameter's, from 1
    at::Tensor learning_rate;         // float scalar there
    c10::optional<at::Tensor> not_finite;
  };

  // `slots` are the parameter's state tensors, zero before its first update; `update` counts
  // from 1.
  virtual void Update(at::Tensor& parameter, const at::Tensor& gradient,
                      std::vector<at::Tensor>& slots, double learning_rate, int64_t update) = 0;
  virtual void UpdateTogether(Together& group) = 0;
  virtual const std::vector<std::string>& SlotNames() const = 0;

  const OptimizerOptions options_;

 private:
  struct History {
    std::vector<at::Tensor> slots;
    int64_t updates = 0;           // made so far, of this parameter
    at::Tensor updates_on_device;  // instead, on an accelerator: float scalar
    at::Tensor Updates() const;    // int64 scalar, of either
  };
  History& HistoryOf(const NamedParameter& parameter);
  void StepOnDevice(const ParameterGroup& group, const at::Tensor& not_finite);
  // Of its count of updates, then of its slots.
  std::vector<std::string> StateNames(const std::string& parameter) const;
  absl::Status RestoreHistory(const NamedParameter& parameter,
                              const std::map<std::string, at::Tensor>& state);

  std::vector<ParameterGroup> groups_;
  std::map<std::string, History> histories_;  // by parameter
  double learning_rate_;
  at::Tensor learning_rate_on_device_;  // float scalar; undefined on the CPU
};

std::unique_ptr<Optimizer> MakeOptimizer(const OptimizerOptions& options,
                                         std::vector<ParameterGroup> groups);

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_OPTIMIZER_H_
