// Every method on an accelerator: its tensors are all there, and alignment never waits for it.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/methods/registry.h"
#include "core/runtime/synchronizations.h"
#include "core/train/trainer.h"
#include "tests/accelerator/pretend_accelerator.h"
#include "tests/core/methods/scene.h"

namespace acclimate::testing {
namespace {

using methods::Hyperparameters;

constexpr int64_t kSteps = 20, kBatch = 16;

bool Takes(const std::string& method, const char* parameter) {
  const auto& known = methods::FindMethod(method)->spec.hyperparameters;
  return std::any_of(known.begin(), known.end(),
                     [parameter](const auto& spec) { return spec.name == parameter; });
}

Hyperparameters Short(const std::string& method) {
  Hyperparameters given;
  if (Takes(method, "batch_size")) given["batch_size"] = kBatch;
  if (Takes(method, "steps")) given["steps"] = kSteps;
  if (Takes(method, "epochs")) given["epochs"] = int64_t{2};
  if (Takes(method, "augment")) given["augment"] = std::string("none");
  return given;
}

struct Trained {
  std::map<std::string, at::Tensor> model;
  std::map<std::string, double> last_metrics;
  std::map<std::string, int64_t> waits;  // of the steps behind the first
  int64_t replays = 0;
  std::string refusal;  // of a step to be recorded
};

// The last weights; the same draws on every device.
Trained TrainOn(const at::Device& device, const std::string& method, bool replay = true) {
  const methods::MethodSpec& spec = methods::FindMethod(method)->spec;
  const bool vectors = spec.needs_vectors;
  const std::vector<int64_t> shape =
      vectors ? std::vector<int64_t>{6} : std::vector<int64_t>{1, 8, 8};
  Scene scene(vectors ? "mlp" : "conv4", shape);
  scene.sources.push_back(Blobs(30, shape, 7));
  if (spec.needs_counts) scene.TakeCounts();
  at::manual_seed(4);
  const auto task = scene.Task(method, Short(method), device);
  train::TrainerOptions options;
  options.device = device;
  options.report_seconds = 1e9;
  options.replay_steps = replay;
  train::TrainerHooks hooks;
  Trained trained;
  hooks.on_metrics = [&](const train::Progress&, const auto& values) {
    trained.last_metrics = values;
  };
  train::Trainer trainer(*task, *scene.model, scene.sources, scene.target, options, hooks);
  train::StopSignal stop([] { return train::Directive::kContinue; });
  at::manual_seed(8);
  EXPECT_TRUE(trainer.RunTo(1, stop).ok());
  const int64_t total = task->plan().total_steps;
  {
    const runtime::SynchronizationCounter counter;
    EXPECT_TRUE(trainer.RunTo(total - 1, stop).ok());
    trained.waits = counter.by_operator();
  }
  const absl::Status status = trainer.Run(stop);
  EXPECT_TRUE(status.ok()) << status;
  model::Model& adapted = task->own_model() ? *task->own_model() : *scene.model;
  for (const auto& [name, tensor] : adapted.StateDict()) {
    trained.model[name] = tensor.detach().to(at::kCPU).clone();
  }
  trained.replays = trainer.graphs().replays();
  trained.refusal = trainer.graphs().refusal();
  return trained;
}

class AlignmentOnAcceleratorTest : public ::testing::TestWithParam<const char*> {};

TEST_P(AlignmentOnAcceleratorTest, NeverWaitsInAStepAndIsReplayed) {
  const Trained replayed = TrainOn(PretendAccelerator(), GetParam());
  // The metrics of all steps come over in one transfer.
  EXPECT_EQ(replayed.waits, (std::map<std::string, int64_t>{{"aten::copy_", 1}}));
  EXPECT_GT(replayed.replays, 0) << replayed.refusal;
  const Trained called = TrainOn(PretendAccelerator(), GetParam(), /*replay=*/false);
  EXPECT_EQ(called.replays, 0);
  for (const auto& [name, tensor] : called.model) {
    EXPECT_TRUE(at::equal(replayed.model.at(name), tensor)) << name;
  }
  EXPECT_EQ(replayed.last_metrics, called.last_metrics);
}

INSTANTIATE_TEST_SUITE_P(Methods, AlignmentOnAcceleratorTest,
                         ::testing::Values("afn", "cdan", "dan", "dann", "deep_coral", "jan", "mcc",
                                           "mcd", "mdd", "mic", "moe", "multi_source_dann"),
                         [](const auto& info) { return std::string(info.param); });

std::vector<std::string> AllMethods() {
  std::vector<std::string> names;
  for (const methods::MethodEntry& entry : methods::Registry()) {
    if (entry.spec.name != "auto") names.push_back(entry.spec.name);  // it only runs others
  }
  return names;
}

class MethodOnAcceleratorTest : public ::testing::TestWithParam<std::string> {};

// The CPU has convolutions of its own, and rounds otherwise.
TEST_P(MethodOnAcceleratorTest, GivesWhatTheCpuGives) {
  const Trained ours = TrainOn(PretendAccelerator(), GetParam());
  const Trained host = TrainOn(at::kCPU, GetParam());
  ASSERT_EQ(ours.model.size(), host.model.size());
  double apart = 0, whole = 0;
  for (const auto& [name, tensor] : host.model) {
    apart += (ours.model.at(name) - tensor).to(at::kDouble).square().sum().item<double>();
    whole += tensor.to(at::kDouble).square().sum().item<double>();
  }
  EXPECT_LE(std::sqrt(apart), 0.03 * std::sqrt(whole));
  for (const auto& [name, value] : host.last_metrics) {
    EXPECT_EQ(ours.last_metrics.count(name), 1u) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Catalog, MethodOnAcceleratorTest, ::testing::ValuesIn(AllMethods()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace acclimate::testing
