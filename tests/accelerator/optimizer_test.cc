#include "core/train/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "core/runtime/synchronizations.h"
#include "tests/accelerator/pretend_accelerator.h"

namespace acclimate::train {
namespace {

using Kind = OptimizerOptions::Kind;

constexpr int kSteps = 12;

// Two groups; the last weight has no gradient.
class Weights {
 public:
  explicit Weights(const at::Device& device) {
    at::manual_seed(3);
    const std::vector<std::vector<int64_t>> shapes = {{4, 3}, {5}, {8, 2, 3, 3}, {2}};
    for (const std::vector<int64_t>& shape : shapes) {
      tensors_.push_back(at::randn(shape).to(device).requires_grad_());
    }
  }
  std::vector<ParameterGroup> Groups() const {
    return {{{{"first", tensors_[0]}, {"second", tensors_[1]}}, 1.0},
            {{{"third", tensors_[2]}, {"frozen", tensors_[3]}}, 0.1}};
  }
  void Update(Optimizer& optimizer, int step) {
    at::manual_seed(100 + step);
    for (size_t i = 0; i < 3; ++i) {
      tensors_[i].mutable_grad() = at::randn(tensors_[i].sizes()).to(tensors_[i].device());
    }
    optimizer.SetRate(1.0 / (1 + step));
    optimizer.Step();
  }
  const std::vector<at::Tensor>& tensors() const { return tensors_; }

 private:
  std::vector<at::Tensor> tensors_;
};

class OptimizerOnAcceleratorTest
    : public ::testing::TestWithParam<std::pair<Kind, double /*momentum*/>> {
 protected:
  static OptimizerOptions Options() {
    OptimizerOptions options;
    options.kind = GetParam().first;
    options.momentum = GetParam().second;
    options.learning_rate = 0.05;
    options.weight_decay = 0.01;
    return options;
  }
  static void ExpectNear(const Weights& ours, const Weights& host) {
    for (size_t i = 0; i < host.tensors().size(); ++i) {
      EXPECT_TRUE(at::allclose(ours.tensors()[i].to(at::kCPU), host.tensors()[i], 1e-5, 1e-6)) << i;
    }
  }
};

TEST_P(OptimizerOnAcceleratorTest, UpdatesAsOnTheCpu) {
  Weights ours(testing::PretendAccelerator()), host(at::kCPU);
  const auto optimizer = MakeOptimizer(Options(), ours.Groups());
  const auto on_host = MakeOptimizer(Options(), host.Groups());
  for (int step = 0; step < kSteps; ++step) {
    ours.Update(*optimizer, step);
    host.Update(*on_host, step);
  }
  ExpectNear(ours, host);
}

TEST_P(OptimizerOnAcceleratorTest, GoesOnFromAStateOfTheCpu) {
  Weights ours(testing::PretendAccelerator()), host(at::kCPU);
  auto optimizer = MakeOptimizer(Options(), ours.Groups());
  const auto on_host = MakeOptimizer(Options(), host.Groups());
  for (int step = 0; step < kSteps; ++step) host.Update(*on_host, step);
  for (int step = 0; step < kSteps / 2; ++step) ours.Update(*optimizer, step);
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : optimizer->State()) state[name] = tensor.to(at::kCPU).clone();
  optimizer = MakeOptimizer(Options(), ours.Groups());
  ASSERT_TRUE(optimizer->Restore(state).ok());
  for (int step = kSteps / 2; step < kSteps; ++step) ours.Update(*optimizer, step);
  ExpectNear(ours, host);
}

TEST_P(OptimizerOnAcceleratorTest, NeverMakesTheHostWait) {
  Weights ours(testing::PretendAccelerator());
  const auto optimizer = MakeOptimizer(Options(), ours.Groups());
  ours.Update(*optimizer, 0);
  const runtime::SynchronizationCounter counter;
  optimizer->SetRate(0.5);
  optimizer->Step();
  EXPECT_EQ(counter.by_operator(), (std::map<std::string, int64_t>()));
}

INSTANTIATE_TEST_SUITE_P(Kinds, OptimizerOnAcceleratorTest,
                         ::testing::Values(std::pair(Kind::kSgd, 0.9), std::pair(Kind::kSgd, 0.0),
                                           std::pair(Kind::kAdam, 0.9),
                                           std::pair(Kind::kLars, 0.9)));

}  // namespace
}  // namespace acclimate::train
