#include "core/train/loss_scale.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <vector>

#include "core/runtime/synchronizations.h"
#include "core/train/optimizer.h"
#include "core/train/trainer.h"
#include "tests/accelerator/pretend_accelerator.h"
#include "tests/core/methods/scene.h"

namespace acclimate::train {
namespace {

using testing::PretendAccelerator;

constexpr float kBeyond = std::numeric_limits<float>::infinity();

double ScaleOf(const LossScale& scale) { return scale.State().at("scale").item<double>(); }

TEST(LossScaleTest, GivesGradientsBackAsTheyWere) {
  const LossScale scale(PretendAccelerator());
  at::Tensor weight = at::tensor({1.0f, 2.0f}).to(PretendAccelerator()).requires_grad_();
  scale.Scaled((weight * weight).sum()).backward();
  const at::Tensor gradient = weight.grad();
  EXPECT_EQ(gradient[0].item<float>(), 2 * ScaleOf(scale));
  EXPECT_EQ(scale.Unscale({gradient}).item<float>(), 0);
  EXPECT_TRUE(at::equal(gradient.to(at::kCPU), at::tensor({2.0f, 4.0f})));
}

TEST(LossScaleTest, FallsWhereAGradientIsNotFiniteAndGrowsWhereNoneWas) {
  LossScale scale(PretendAccelerator());
  const double first = ScaleOf(scale);
  const at::Tensor fine = at::ones({3}, at::TensorOptions(PretendAccelerator()));
  const at::Tensor beyond = at::full_like(fine, kBeyond);
  scale.Follow(scale.Unscale({fine.clone(), beyond}));
  EXPECT_EQ(ScaleOf(scale), first / 2);
  LossScale resumed(PretendAccelerator());
  for (int update = 0; update < 2000; ++update) {
    if (update == 1000) {
      ASSERT_TRUE(resumed.Restore(scale.State()).ok());
    }
    LossScale& now = update < 1000 ? scale : resumed;
    EXPECT_EQ(ScaleOf(now), first / 2);
    now.Follow(now.Unscale({fine.clone()}));
  }
  EXPECT_EQ(ScaleOf(resumed), first);
  EXPECT_FALSE(resumed.Restore({}).ok());
}

class SkippedUpdateTest : public ::testing::TestWithParam<OptimizerOptions::Kind> {};

TEST_P(SkippedUpdateTest, LeavesEverythingAsItWas) {
  OptimizerOptions options;
  options.kind = GetParam();
  at::manual_seed(1);
  const at::Tensor weight = at::randn({3, 2}).to(PretendAccelerator()).requires_grad_();
  const auto optimizer = MakeOptimizer(options, {{{{"weight", weight}}, 1.0}});
  const at::Tensor zero = at::zeros({}, at::TensorOptions(PretendAccelerator()));
  const auto update = [&](const at::Tensor& gradient, const at::Tensor& not_finite) {
    weight.mutable_grad() = gradient;
    const runtime::SynchronizationCounter counter;
    optimizer->Step(not_finite);
    EXPECT_EQ(counter.count(), 0);
  };
  update(at::ones_like(weight).detach(), zero);
  std::map<std::string, at::Tensor> before;
  for (const auto& [name, tensor] : optimizer->State()) before[name] = tensor.clone();
  const at::Tensor weight_before = weight.detach().clone();
  update(at::full_like(weight, kBeyond).detach(), zero + 1);
  EXPECT_TRUE(at::equal(weight, weight_before));
  for (const auto& [name, tensor] : optimizer->State()) {
    EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
  }
  update(at::ones_like(weight).detach(), zero);
  EXPECT_FALSE(at::equal(weight, weight_before));
}

INSTANTIATE_TEST_SUITE_P(Kinds, SkippedUpdateTest,
                         ::testing::Values(OptimizerOptions::Kind::kSgd,
                                           OptimizerOptions::Kind::kAdam,
                                           OptimizerOptions::Kind::kLars));

// A run in fp16, whose weights stay float.
class HalfTest : public ::testing::Test {
 protected:
  HalfTest() : scene_("conv4", {1, 8, 8}) {}

  std::unique_ptr<Trainer> TrainerOf(Task& task) {
    TrainerOptions options;
    options.device = PretendAccelerator();
    return std::make_unique<Trainer>(task, *scene_.model, scene_.sources, scene_.target, options,
                                     TrainerHooks());
  }
  std::unique_ptr<Task> NewTask() {
    scene_.model->set_precision(at::kHalf);
    at::manual_seed(2);
    return scene_.Task(
        "dann",
        {{"batch_size", int64_t{16}}, {"steps", int64_t{24}}, {"augment", std::string("none")}},
        PretendAccelerator());
  }
  absl::Status RunTo(Trainer& trainer, int64_t step) {
    StopSignal stop([] { return Directive::kContinue; });
    return trainer.RunTo(step, stop);
  }

  testing::Scene scene_;
};

TEST_F(HalfTest, TrainsAndGoesOnFromItsState) {
  const auto task = NewTask();
  const auto fresh = testing::Snapshot(*scene_.model);
  auto trainer = TrainerOf(*task);
  ASSERT_TRUE(RunTo(*trainer, 12).ok());
  TrainingState state;
  for (const auto& [name, tensor] : trainer->State().tensors) state.tensors[name] = tensor.clone();
  EXPECT_EQ(state.tensors.count("loss_scale/scale"), 1u);
  ASSERT_TRUE(RunTo(*trainer, 24).ok());
  const auto& losses = trainer->curves().points().at("loss/source");
  EXPECT_LT(losses.back().value, losses.front().value);
  const auto straight = testing::Snapshot(*scene_.model);
  for (const auto& [name, tensor] : straight) {
    EXPECT_NE(tensor.scalar_type(), at::kHalf) << name;
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  }
  trainer.reset();

  ASSERT_TRUE(scene_.model->LoadStateDict(fresh).ok());
  const auto again = NewTask();
  trainer = TrainerOf(*again);
  ASSERT_TRUE(trainer->Restore(state).ok());
  ASSERT_TRUE(RunTo(*trainer, 24).ok());
  EXPECT_TRUE(testing::Changed(*scene_.model, straight).empty());
}

}  // namespace
}  // namespace acclimate::train
