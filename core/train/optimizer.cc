#include "core/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace acclimate::train {
namespace {

constexpr int64_t kGrain = 1 << 15;  // elements a thread takes at least
constexpr char kUpdates[] = "updates/";

bool IsPlainFloat(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat &&
         tensor.is_non_overlapping_and_dense();
}

// `tensor` in the order of elements in memory that `model` has, copied where it is another.
at::Tensor InOrderOf(const at::Tensor& model, const at::Tensor& tensor) {
  if (tensor.strides() == model.strides()) return tensor;
  return at::empty_like(model).copy_(tensor);
}

#if !__has_include(<ATen/ops/_fused_sgd.h>)
[[noreturn]] void Unfused() {
  TORCH_CHECK(false, "training on an accelerator needs LibTorch 2.3 or newer");
}
#endif

class Sgd : public Optimizer {
 public:
  using Optimizer::Optimizer;

 protected:
  void UpdateTogether([[maybe_unused]] Together& group) override {
#if __has_include(<ATen/ops/_fused_sgd.h>)
    const bool moves = options_.momentum > 0;
    at::_fused_sgd_(
        group.parameters, group.gradients, moves ? group.slots[0] : std::vector<at::Tensor>(),
        options_.weight_decay, options_.momentum, group.learning_rate, /*dampening=*/0,
        moves && options_.nesterov,
        /*maximize=*/false, /*is_first_step=*/false, /*grad_scale=*/{}, group.not_finite);
#else
    Unfused();
#endif
  }

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
    const at::Tensor ordered = InOrderOf(parameter, gradient);
    float* const p = parameter.data_ptr<float>();
    float* const v = velocity.data_ptr<float>();
    const float* const g = ordered.data_ptr<float>();
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
  void UpdateTogether([[maybe_unused]] Together& group) override {
#if __has_include(<ATen/ops/_fused_sgd.h>)
    at::_fused_adam_(group.parameters, group.gradients, group.slots[0], group.slots[1], {},
                     group.updates, group.learning_rate, options_.beta1, options_.beta2,
                     options_.weight_decay, options_.epsilon, /*amsgrad=*/false,
                     /*maximize=*/false, /*grad_scale=*/{}, group.not_finite);
#else
    Unfused();
#endif
  }

  const std::vector<std::string>& SlotNames() const override {
    static const auto* const kNames = new std::vector<std::string>{"mean", "square"};
    return *kNames;
  }

  void Update(at::Tensor& parameter, const at::Tensor& gradient, std::vector<at::Tensor>& slots,
              double learning_rate, int64_t update) override {
    const double rate = learning_rate / (1.0 - std::pow(options_.beta1, update));
    const double square_scale = 1.0 / (1.0 - std::pow(options_.beta2, update));
    if (!IsPlainFloat(parameter)) {
      at::Tensor g = gradient.add(parameter, options_.weight_decay);
      slots[0].mul_(options_.beta1).add_(g, 1.0 - options_.beta1);
      slots[1].mul_(options_.beta2).addcmul_(g, g, 1.0 - options_.beta2);
      parameter.addcdiv_(slots[0], slots[1].mul(square_scale).sqrt_().add_(options_.epsilon),
                         -rate);
      return;
    }
    const at::Tensor ordered = InOrderOf(parameter, gradient);
    float* const p = parameter.data_ptr<float>();
    float* const m = slots[0].data_ptr<float>();
    float* const s = slots[1].data_ptr<float>();
    const float* const g = ordered.data_ptr<float>();
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

// The Euclidean norm, from sums over chunks of fixed size: the number of threads changes nothing.
double Norm(const at::Tensor& tensor) {
  const at::Tensor values = tensor.contiguous();
  std::vector<double> squares((values.numel() + kGrain - 1) / kGrain);
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "norm", [&] {
    const scalar_t* const data = values.data_ptr<scalar_t>();
    at::parallel_for(0, squares.size(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        double sum = 0;
        const int64_t last = std::min((chunk + 1) * kGrain, values.numel());
        for (int64_t i = chunk * kGrain; i < last; ++i) {
          sum += static_cast<double>(data[i]) * static_cast<double>(data[i]);
        }
        squares[chunk] = sum;
      }
    });
  });
  return std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0));
}

class Lars : public Optimizer {
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
    velocity.mul_(options_.momentum);
    if (parameter.dim() > 1) {
      const double rate = learning_rate * TrustRatio(parameter, gradient);
      velocity.add_(gradient, rate).add_(parameter, rate * options_.weight_decay);
    } else {
      velocity.add_(gradient, learning_rate);
    }
    parameter.sub_(velocity);
  }

  void UpdateTogether(Together& group) override {
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      at::Tensor &parameter = group.parameters[i], &velocity = group.slots[0][i];
      const at::Tensor& gradient = group.gradients[i];
      at::Tensor pull = gradient * group.learning_rate;
      if (parameter.dim() > 1) {
        const at::Tensor weight = parameter.norm();
        const at::Tensor length = gradient.norm() + options_.weight_decay * weight;
        const at::Tensor ratio =
            at::where(weight.gt(0).logical_and(length.gt(0)),
                      options_.trust_coefficient * weight / length, at::ones_like(length));
        pull = (gradient + options_.weight_decay * parameter) * (group.learning_rate * ratio);
      }
      const at::Tensor next = options_.momentum * velocity + pull;
      if (group.not_finite) {
        const at::Tensor stays = group.not_finite->gt(0);
        parameter.sub_(at::where(stays, at::zeros_like(next), next));
        velocity.copy_(at::where(stays, velocity, next));
      } else {
        parameter.sub_(next);
        velocity.copy_(next);
      }
    }
  }

 private:
  double TrustRatio(const at::Tensor& parameter, const at::Tensor& gradient) const {
    const double weight = Norm(parameter);
    const double pull = Norm(gradient) + options_.weight_decay * weight;
    return weight > 0 && pull > 0 ? options_.trust_coefficient * weight / pull : 1.0;
  }
};

at::TensorOptions OnDevice(const at::Tensor& parameter) {
  return at::TensorOptions(at::kFloat).device(parameter.device());
}

}  // namespace

Optimizer::Optimizer(const OptimizerOptions& options, std::vector<ParameterGroup> groups)
    : options_(options), groups_(std::move(groups)), learning_rate_(options.learning_rate) {
  for (const ParameterGroup& group : groups_) {
    for (const NamedParameter& parameter : group.parameters) {
      if (parameter.tensor.is_cpu() || learning_rate_on_device_.defined()) continue;
      learning_rate_on_device_ = at::full({}, learning_rate_, OnDevice(parameter.tensor));
    }
  }
}

Optimizer::History& Optimizer::HistoryOf(const NamedParameter& parameter) {
  History& history = histories_[parameter.name];
  while (history.slots.size() < SlotNames().size()) {
    history.slots.push_back(at::zeros_like(parameter.tensor.detach()));
  }
  if (!parameter.tensor.is_cpu() && !history.updates_on_device.defined()) {
    history.updates_on_device = at::zeros({}, OnDevice(parameter.tensor));
  }
  return history;
}

void Optimizer::ZeroGradients() {
  for (ParameterGroup& group : groups_) {
    for (NamedParameter& parameter : group.parameters) parameter.tensor.mutable_grad().reset();
  }
}

std::vector<at::Tensor> Optimizer::Gradients() const {
  std::vector<at::Tensor> gradients;
  for (const ParameterGroup& group : groups_) {
    for (const NamedParameter& parameter : group.parameters) {
      if (parameter.tensor.grad().defined()) gradients.push_back(parameter.tensor.grad());
    }
  }
  return gradients;
}

void Optimizer::SetRate(double factor) {
  learning_rate_ = options_.learning_rate * factor;
  if (learning_rate_on_device_.defined()) learning_rate_on_device_.fill_(learning_rate_);
}

void Optimizer::Step(const at::Tensor& not_finite) {
  const at::NoGradGuard no_grad;
  for (ParameterGroup& group : groups_) {
    if (learning_rate_on_device_.defined()) {
      StepOnDevice(group, not_finite);
      continue;
    }
    const double rate = learning_rate_ * group.learning_rate_multiplier;
    for (NamedParameter& parameter : group.parameters) {
      const at::Tensor& gradient = parameter.tensor.grad();
      if (!gradient.defined()) continue;
      History& history = HistoryOf(parameter);
      Update(parameter.tensor, gradient, history.slots, rate, ++history.updates);
    }
  }
}

void Optimizer::StepOnDevice(const ParameterGroup& group, const at::Tensor& not_finite) {
  Together together;
  together.slots.resize(SlotNames().size());
  for (const NamedParameter& parameter : group.parameters) {
    const at::Tensor& gradient = parameter.tensor.grad();
    if (!gradient.defined()) continue;
    const History& history = HistoryOf(parameter);
    together.parameters.push_back(parameter.tensor);
    together.gradients.push_back(InOrderOf(parameter.tensor, gradient));
    together.updates.push_back(history.updates_on_device);
    for (size_t i = 0; i < history.slots.size(); ++i) {
      together.slots[i].push_back(history.slots[i]);
    }
  }
  if (together.parameters.empty()) return;
  at::_foreach_add_(together.updates, 1);
  if (not_finite.defined()) {
    together.not_finite = not_finite;
    for (at::Tensor& updates : together.updates) updates.sub_(not_finite);
  }
  together.learning_rate = learning_rate_on_device_ * group.learning_rate_multiplier;
  UpdateTogether(together);
}

at::Tensor Optimizer::History::Updates() const {
  return updates_on_device.defined() ? updates_on_device.to(at::kLong)
                                     : at::scalar_tensor(updates, at::kLong);
}

void Optimizer::Restart() { histories_.clear(); }

std::map<std::string, at::Tensor> Optimizer::State() const {
  std::map<std::string, at::Tensor> state;
  for (const auto& [parameter, history] : histories_) {
    const std::vector<std::string> names = StateNames(parameter);
    state[names[0]] = history.Updates();
    for (size_t i = 0; i < history.slots.size(); ++i) state[names[1 + i]] = history.slots[i];
  }
  return state;
}

std::vector<std::string> Optimizer::StateNames(const std::string& parameter) const {
  std::vector<std::string> names = {absl::StrCat(kUpdates, parameter)};
  for (const std::string& slot : SlotNames()) names.push_back(absl::StrCat(slot, "/", parameter));
  return names;
}

absl::Status Optimizer::Restore(const std::map<std::string, at::Tensor>& state) {
  histories_.clear();
  for (const ParameterGroup& group : groups_) {
    for (const NamedParameter& parameter : group.parameters) {
      if (absl::Status status = RestoreHistory(parameter, state); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Optimizer::RestoreHistory(const NamedParameter& parameter,
                                       const std::map<std::string, at::Tensor>& state) {
  const std::vector<std::string> names = StateNames(parameter.name);
  const auto in_state = [&state](const std::string& name) { return state.count(name) > 0; };
  // A parameter that never had a gradient has no history.
  if (std::none_of(names.begin(), names.end(), in_state)) return absl::OkStatus();
  History& history = HistoryOf(parameter);
  at::Tensor updates = at::scalar_tensor(0, at::kLong);
  std::vector<at::Tensor> into = {updates};
  into.insert(into.end(), history.slots.begin(), history.slots.end());
  for (size_t i = 0; i < names.size(); ++i) {
    if (!in_state(names[i])) {
      return absl::InvalidArgumentError(absl::StrCat("optimizer: ", names[i], " is missing"));
    }
    const at::Tensor& stored = state.at(names[i]);
    if (stored.sizes() != into[i].sizes()) {
      return absl::InvalidArgumentError(absl::StrCat("optimizer: wrong shape of ", names[i]));
    }
    into[i].copy_(stored);
  }
  history.updates = updates.item<int64_t>();
  if (history.updates_on_device.defined()) {
    history.updates_on_device.fill_(history.updates);
  }
  return absl::OkStatus();
}

std::unique_ptr<Optimizer> MakeOptimizer(const OptimizerOptions& options,
                                         std::vector<ParameterGroup> groups) {
  if (options.kind == OptimizerOptions::Kind::kAdam) {
    return std::make_unique<Adam>(options, std::move(groups));
  }
  if (options.kind == OptimizerOptions::Kind::kLars) {
    return std::make_unique<Lars>(options, std::move(groups));
  }
  return std::make_unique<Sgd>(options, std::move(groups));
}

}  // namespace acclimate::train
