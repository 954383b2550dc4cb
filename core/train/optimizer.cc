#include "core/train/optimizer.h"

#include <torch/torch.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace acclimate::train {
namespace {

constexpr int64_t kGrain = 1 << 15;  // elements a thread takes at least
constexpr char kStepKey[] = "step";

bool IsPlainFloat(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.is_contiguous();
}

class Sgd : public Optimizer {
 public:
  using Optimizer::Optimizer;

 protected:
  const std::vector<std::string>& SlotNames() const override {
    static const auto* const kNames = new std::vector<std::string>{"momentum"};
    return *kNames;
  }

  void Update(at::Tensor& parameter, const at::Tensor& gradient, std::vector<at::Tensor>& slots,
              double learning_rate, int64_t) override {
    at::Tensor& velocity = slots[0];
    if (!IsPlainFloat(parameter)) {
      at::Tensor g = gradient.add(parameter, options_.weight_decay);
      velocity.mul_(options_.momentum).add_(g);
      parameter.sub_(options_.nesterov ? g.add(velocity, options_.momentum) : velocity,
                     learning_rate);
      return;
    }
    const at::Tensor contiguous = gradient.contiguous();
    float* const p = parameter.data_ptr<float>();
    float* const v = velocity.data_ptr<float>();
    const float* const g = contiguous.data_ptr<float>();
    const float rate = static_cast<float>(learning_rate);
    const float decay = static_cast<float>(options_.weight_decay);
    const float momentum = static_cast<float>(options_.momentum);
    const float ahead = options_.nesterov ? 1.0f : 0.0f;
    const float follow = options_.nesterov ? momentum : 1.0f;
    at::parallel_for(0, parameter.numel(), kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float step = g[i] + decay * p[i];
        v[i] = momentum * v[i] + step;
        p[i] -= rate * (ahead * step + follow * v[i]);
      }
    });
  }
};

class Adam : public Optimizer {
 public:
  using Optimizer::Optimizer;

 protected:
  const std::vector<std::string>& SlotNames() const override {
    static const auto* const kNames = new std::vector<std::string>{"mean", "square"};
    return *kNames;
  }

  void Update(at::Tensor& parameter, const at::Tensor& gradient, std::vector<at::Tensor>& slots,
              double learning_rate, int64_t step) override {
    const double rate = learning_rate / (1.0 - std::pow(options_.beta1, step));
    const double square_scale = 1.0 / (1.0 - std::pow(options_.beta2, step));
    if (!IsPlainFloat(parameter)) {
      at::Tensor g = gradient.add(parameter, options_.weight_decay);
      slots[0].mul_(options_.beta1).add_(g, 1.0 - options_.beta1);
      slots[1].mul_(options_.beta2).addcmul_(g, g, 1.0 - options_.beta2);
      parameter.addcdiv_(slots[0], slots[1].mul(square_scale).sqrt_().add_(options_.epsilon),
                         -rate);
      return;
    }
    const at::Tensor contiguous = gradient.contiguous();
    float* const p = parameter.data_ptr<float>();
    float* const m = slots[0].data_ptr<float>();
    float* const s = slots[1].data_ptr<float>();
    const float* const g = contiguous.data_ptr<float>();
    const float beta1 = static_cast<float>(options_.beta1);
    const float beta2 = static_cast<float>(options_.beta2);
    const float decay = static_cast<float>(options_.weight_decay);
    const float epsilon = static_cast<float>(options_.epsilon);
    const float step_rate = static_cast<float>(rate);
    const float scale = static_cast<float>(square_scale);
    at::parallel_for(0, parameter.numel(), kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float step_gradient = g[i] + decay * p[i];
        m[i] = beta1 * m[i] + (1.0f - beta1) * step_gradient;
        s[i] = beta2 * s[i] + (1.0f - beta2) * step_gradient * step_gradient;
        p[i] -= step_rate * m[i] / (std::sqrt(s[i] * scale) + epsilon);
      }
    });
  }
};

}  // namespace

Optimizer::Optimizer(const OptimizerOptions& options, std::vector<ParameterGroup> groups)
    : options_(options), groups_(std::move(groups)) {}

std::vector<at::Tensor>& Optimizer::SlotsOf(const NamedParameter& parameter) {
  std::vector<at::Tensor>& slots = slots_[parameter.name];
  while (slots.size() < SlotNames().size()) {
    slots.push_back(at::zeros_like(parameter.tensor.detach()));
  }
  return slots;
}

void Optimizer::ZeroGradients() {
  for (ParameterGroup& group : groups_) {
    for (NamedParameter& parameter : group.parameters) parameter.tensor.mutable_grad().reset();
  }
}

void Optimizer::Step(double factor) {
  const at::NoGradGuard no_grad;
  ++step_;
  for (ParameterGroup& group : groups_) {
    const double rate = options_.learning_rate * factor * group.learning_rate_multiplier;
    for (NamedParameter& parameter : group.parameters) {
      const at::Tensor& gradient = parameter.tensor.grad();
      if (gradient.defined()) {
        Update(parameter.tensor, gradient, SlotsOf(parameter), rate, step_);
      }
    }
  }
}

std::map<std::string, at::Tensor> Optimizer::State() const {
  std::map<std::string, at::Tensor> state;
  state[kStepKey] = at::scalar_tensor(step_, at::kLong);
  for (const auto& [parameter, slots] : slots_) {
    for (size_t i = 0; i < slots.size(); ++i) {
      state[absl::StrCat(SlotNames()[i], "/", parameter)] = slots[i];
    }
  }
  return state;
}

absl::Status Optimizer::Restore(const std::map<std::string, at::Tensor>& state) {
  const auto step = state.find(kStepKey);
  if (step == state.end() || step->second.numel() != 1) {
    return absl::InvalidArgumentError("optimizer: the step count is missing");
  }
  step_ = step->second.item<int64_t>();
  slots_.clear();
  for (const ParameterGroup& group : groups_) {
    for (const NamedParameter& parameter : group.parameters) {
      for (size_t i = 0; i < SlotNames().size(); ++i) {
        const auto it = state.find(absl::StrCat(SlotNames()[i], "/", parameter.name));
        if (it == state.end()) continue;  // a parameter that never had a gradient
        at::Tensor& slot = SlotsOf(parameter)[i];
        if (it->second.sizes() != slot.sizes()) {
          return absl::InvalidArgumentError(absl::StrCat("optimizer: wrong shape of ", it->first));
        }
        slot.copy_(it->second);
      }
    }
  }
  return absl::OkStatus();
}

std::unique_ptr<Optimizer> MakeOptimizer(const OptimizerOptions& options,
                                         std::vector<ParameterGroup> groups) {
  if (options.kind == OptimizerOptions::Kind::kAdam) {
    return std::make_unique<Adam>(options, std::move(groups));
  }
  return std::make_unique<Sgd>(options, std::move(groups));
}

}  // namespace acclimate::train
