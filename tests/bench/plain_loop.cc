#include "tests/bench/plain_loop.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "core/losses/adversarial.h"

namespace acclimate::bench {
namespace {

struct Output {
  at::Tensor features, logits;
};

// Parameters in the order of their making, with layers as functions of what they read.
class Layers {
 public:
  using Layer = std::function<at::Tensor(const at::Tensor&)>;

  Layer Convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
                    bool biased) {
    const double bound = 1 / std::sqrt(static_cast<double>(in * kernel * kernel));
    const at::Tensor weight = Drawn({out, in, kernel, kernel}, bound);
    const at::Tensor bias = biased ? Drawn({out}, bound) : at::Tensor();
    return [=](const at::Tensor& x) { return at::conv2d(x, weight, bias, stride, padding); };
  }
  Layer Linear(int64_t in, int64_t out) {
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    const at::Tensor weight = Drawn({out, in}, bound), bias = Drawn({out}, bound);
    return [=](const at::Tensor& x) { return at::linear(x, weight, bias); };
  }
  Layer BatchNorm(int64_t channels) {
    const at::Tensor weight = Drawn({channels}, 1), bias = Drawn({channels}, 0);
    const at::Tensor mean = at::zeros({channels}), variance = at::ones({channels});
    return [=](const at::Tensor& x) {
      return at::batch_norm(x, weight, bias, mean, variance, true, 0.1, 1e-5, true);
    };
  }
  const std::vector<at::Tensor>& parameters() const { return parameters_; }

 private:
  at::Tensor Drawn(at::IntArrayRef shape, double bound) {
    parameters_.push_back(at::empty(shape).uniform_(-bound, bound).requires_grad_());
    return parameters_.back();
  }
  std::vector<at::Tensor> parameters_;
};

using Network = std::function<Output(const at::Tensor&)>;

Network LeNet(Layers& layers, int64_t channels, int64_t size) {
  const int64_t pooled = ((size - 4) / 2 - 4) / 2;
  const auto conv1 = layers.Convolution(channels, 20, 5, 1, 0, true);
  const auto conv2 = layers.Convolution(20, 50, 5, 1, 0, true);
  const auto fc1 = layers.Linear(50 * pooled * pooled, 500);
  const auto bottleneck = layers.Linear(500, 256);
  const auto norm = layers.BatchNorm(256);
  const auto fc = layers.Linear(256, 10);
  return [=](const at::Tensor& input) {
    at::Tensor x = at::max_pool2d(conv1(input), {2, 2}).relu();
    x = at::max_pool2d(at::feature_dropout(conv2(x), 0.5, true), {2, 2}).relu();
    x = at::dropout(fc1(x.flatten(1)).relu(), 0.5, true);
    x = norm(bottleneck(x)).relu();
    return Output{x, fc(x)};
  };
}

Layers::Layer Block(Layers& layers, int64_t in, int64_t out, int64_t stride) {
  const auto conv1 = layers.Convolution(in, out, 3, stride, 1, false);
  const auto norm1 = layers.BatchNorm(out);
  const auto conv2 = layers.Convolution(out, out, 3, 1, 1, false);
  const auto norm2 = layers.BatchNorm(out);
  Layers::Layer shortcut = [](const at::Tensor& x) { return x; };
  if (in != out) {
    const auto conv = layers.Convolution(in, out, 1, stride, 0, false);
    const auto norm = layers.BatchNorm(out);
    shortcut = [=](const at::Tensor& x) { return norm(conv(x)); };
  }
  return [=](const at::Tensor& x) {
    return (norm2(conv2(norm1(conv1(x)).relu())) + shortcut(x)).relu();
  };
}

Network ResNet18(Layers& layers, int64_t channels) {
  const auto conv1 = layers.Convolution(channels, 64, 7, 2, 3, false);
  const auto norm1 = layers.BatchNorm(64);
  std::vector<Layers::Layer> blocks;
  int64_t width = 64;
  for (const int64_t planes : {64, 64, 128, 128, 256, 256, 512, 512}) {
    blocks.push_back(Block(layers, width, planes, width == planes ? 1 : 2));
    width = planes;
  }
  const auto fc = layers.Linear(width, 10);
  return [=](const at::Tensor& input) {
    at::Tensor x = at::max_pool2d(norm1(conv1(input)).relu(), {3, 3}, {2, 2}, {1, 1});
    for (const Layers::Layer& block : blocks) x = block(x);
    x = at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
    return Output{x, fc(x)};
  };
}

at::Tensor BroadcastMkMmd(const at::Tensor& source, const at::Tensor& target) {
  const int64_t n = source.size(0);
  const at::Tensor all = at::cat({source, target});
  const at::Tensor distances = (all.unsqueeze(0) - all.unsqueeze(1)).pow(2).sum(2);
  const at::Tensor scale = distances.detach().mean();
  at::Tensor kernel = at::zeros_like(distances);
  for (const double multiplier : {0.125, 0.25, 0.5, 1.0, 2.0}) {
    kernel = kernel + (-distances / (2 * multiplier * scale)).exp();
  }
  return kernel.slice(0, 0, n).slice(1, 0, n).mean() + kernel.slice(0, n).slice(1, n).mean() -
         2 * kernel.slice(0, 0, n).slice(1, n).mean();
}

// SGD with Nesterov momentum, a tensor after the other.
class Loop : public PlainLoop {
 public:
  Loop(Network network, Layers layers, bool adversarial, std::vector<int64_t> shape)
      : layers_(std::move(layers)), network_(std::move(network)), adversarial_(adversarial) {
    const int64_t batch = shape[0];
    shape[0] *= 4;
    source_ = at::randn(shape);
    target_ = at::randn(shape);
    labels_ = at::randint(10, {shape[0]}, at::kLong);
    batch_ = batch;
    if (adversarial) MakeDiscriminator(network_(source_.slice(0, 0, 2)).features.size(1));
    for (const at::Tensor& parameter : layers_.parameters()) {
      velocities_.push_back(at::zeros_like(parameter));
    }
  }

  void Step() override {
    const int64_t begin = (steps_++ % 4) * batch_;
    const at::Tensor source = source_.slice(0, begin, begin + batch_);
    const at::Tensor target = target_.slice(0, begin, begin + batch_);
    const at::Tensor labels = labels_.slice(0, begin, begin + batch_);
    const at::Tensor loss =
        adversarial_ ? Dann(source, labels, target) : Dan(source, labels, target);
    for (const at::Tensor& parameter : layers_.parameters()) parameter.mutable_grad().reset();
    loss.backward();
    Update();
    loss.item<double>();
  }

 private:
  void MakeDiscriminator(int64_t features) {
    const auto fc1 = layers_.Linear(features, 1024), fc2 = layers_.Linear(1024, 1024);
    const auto norm1 = layers_.BatchNorm(1024), norm2 = layers_.BatchNorm(1024);
    const auto fc3 = layers_.Linear(1024, 1);
    discriminator_ = [=](const at::Tensor& x) {
      return fc3(norm2(fc2(norm1(fc1(x)).relu())).relu());
    };
  }

  at::Tensor Dann(const at::Tensor& source, const at::Tensor& labels, const at::Tensor& target) {
    const Output both = network_(at::cat({source, target}));
    const at::Tensor domains = discriminator_(losses::ReverseGradient(both.features, lambda_));
    const at::Tensor truth = at::cat({at::ones({batch_, 1}), at::zeros({batch_, 1})});
    return at::cross_entropy_loss(both.logits.slice(0, 0, batch_), labels) +
           at::binary_cross_entropy_with_logits(domains, truth);
  }

  at::Tensor Dan(const at::Tensor& source, const at::Tensor& labels, const at::Tensor& target) {
    const Output of_source = network_(source), of_target = network_(target);
    return at::cross_entropy_loss(of_source.logits, labels) +
           BroadcastMkMmd(of_source.features, of_target.features);
  }

  void Update() {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < velocities_.size(); ++i) {
      at::Tensor parameter = layers_.parameters()[i];
      const at::Tensor gradient = parameter.grad().add(parameter, 1e-3);
      velocities_[i].mul_(0.9).add_(gradient);
      parameter.sub_(gradient.add(velocities_[i], 0.9), 1e-3);
    }
  }

  Layers layers_;
  Network network_;
  const bool adversarial_;
  Layers::Layer discriminator_;
  const at::Tensor lambda_ = at::full({}, 0.1);
  std::vector<at::Tensor> velocities_;
  at::Tensor source_, target_, labels_;
  int64_t batch_ = 0, steps_ = 0;
};

}  // namespace

std::unique_ptr<PlainLoop> MakePlainLoop(const std::string& method, const std::string& architecture,
                                         int64_t channels, int64_t size, int64_t batch) {
  Layers layers;
  Network network =
      architecture == "lenet" ? LeNet(layers, channels, size) : ResNet18(layers, channels);
  return std::make_unique<Loop>(std::move(network), std::move(layers), method == "dann",
                                std::vector<int64_t>{batch, channels, size, size});
}

}  // namespace acclimate::bench
