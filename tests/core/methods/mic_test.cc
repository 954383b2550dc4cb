#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/losses/consistency.h"
#include "core/methods/registry.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using ::testing::HasSubstr;
using testing::Scene;

constexpr int64_t kMicBatch = 12;

class MicTest : public ::testing::TestWithParam<const char*> {
 protected:
  MicTest() : scene_("conv4", {1, 8, 8}) {}

  std::unique_ptr<train::Task> Task(const std::string& method, Hyperparameters given) {
    given["batch_size"] = kMicBatch;
    if (method == "mic") given["base"] = std::string(GetParam());
    at::manual_seed(4);  // of the discriminator
    return scene_.Task(method, given);
  }

  train::StepOutput Step(train::Task& task) {
    train::StopSignal stop([] { return train::Directive::kContinue; });
    return task.Step(scene_.Input(kMicBatch, 0.5), stop).value();
  }

  at::Tensor Logits(const at::Tensor& inputs) {
    return scene_.model->Forward(inputs, model::Mode::kBatchStatistics).logits;
  }

  Scene scene_;
};

TEST_P(MicTest, AddsTheMaskedImagesToTheBase) {
  const at::Tensor inputs = scene_.Input(kMicBatch).target.inputs;
  const double base = Step(*Task(GetParam(), {})).loss.item<double>();
  // Nothing is hidden, or everything: the images are known.
  for (const double ratio : {0.0, 1.0}) {
    const at::Tensor taught = Logits(inputs), seen = Logits(ratio == 0 ? inputs : inputs * 0);
    const double masked = losses::ConfidentCrossEntropy(seen, taught).item<double>();
    const train::StepOutput output =
        Step(*Task("mic", {{"mask_ratio", ratio}, {"mask_weight", 0.5}}));
    EXPECT_NEAR(output.parts.at("masked").item<double>(), masked, 1e-5);
    EXPECT_NEAR(output.loss.item<double>(), base + 0.5 * masked, 1e-5);
  }
}

TEST_P(MicTest, TheTeacherFollowsTheStudent) {
  const auto task = Task("mic", {});
  const at::Tensor& weight = scene_.model->parameters().front().tensor;
  const std::string name = "teacher/" + scene_.model->parameters().front().name;
  at::Tensor expected = weight.detach().clone();
  for (int64_t done = 1; done <= 12; ++done) {
    {
      const at::NoGradGuard no_grad;  // what the optimiser does
      weight.add_(0.1);
    }
    task->AfterStep(done);
    const double decay = std::min(1.0 - 1.0 / static_cast<double>(done + 1), 0.9);
    expected = decay * expected + (1 - decay) * weight.detach();
    EXPECT_LT((task->State().at(name) - expected).abs().max().item<double>(), 1e-6) << done;
  }
}

TEST_P(MicTest, TheTeacherIsAskedNotTheStudent) {
  const auto task = Task("mic", {{"mask_ratio", 0.0}});
  const at::Tensor inputs = scene_.Input(kMicBatch).target.inputs, taught = Logits(inputs).detach();
  {
    const at::NoGradGuard no_grad;
    for (const model::Parameter& parameter : scene_.model->parameters()) {
      if (parameter.head) parameter.tensor.neg_();
    }
  }
  EXPECT_NEAR(Step(*task).parts.at("masked").item<double>(),
              losses::ConfidentCrossEntropy(Logits(inputs), taught).item<double>(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Bases, MicTest, ::testing::Values("cdan", "mcc"),
                         [](const auto& info) { return std::string(info.param); });

TEST(MicImagesTest, VectorsAreRefused) {
  Scene scene;
  const MethodEntry& entry = *FindMethod("mic");
  const absl::Status status =
      entry
          .make_task({*scene.model, scene.sources, scene.target, at::kCPU,
                      Settings(*ResolveHyperparameters(entry.spec, {})), scene.inputs})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("mic needs images"));
}

}  // namespace
}  // namespace acclimate::methods
