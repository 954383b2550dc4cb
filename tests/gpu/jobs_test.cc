// Jobs on a GPU: every method runs, gives what the CPU gives, and gives its memory back.
#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/core/job/synthetic.h"
#include "tests/gpu/gpu_environment.h"

namespace acclimate::gpu {
namespace {

using testing::NewFolder;
using testing::ReadTensors;
using testing::ReadText;
using testing::SpecFor;
using testing::TestObserver;
using testing::World;

// Batch norm, dropout and a bottleneck: everything that has state.
const std::string& WorldFolder() {
  static const auto* const kFolder = new std::string(World("gpu", "dtn", {1, 8, 8}).Path(""));
  return *kFolder;
}

// Batch norm and no dropout, whose draws differ between devices.
const std::string& ComparableFolder() {
  static const auto* const kFolder =
      new std::string(World("comparable", "conv4", {1, 8, 8}).Path(""));
  return *kFolder;
}

std::vector<std::string> AllMethods() {
  std::vector<std::string> names;
  for (const methods::MethodSpec& spec : job::Catalog()) names.push_back(spec.name);
  return names;
}

// Runs `spec` and returns the folder of its outputs.
std::string OutputsOf(job::RunSpec spec, const std::string& device) {
  spec.device = device;
  TestObserver observer;
  const absl::StatusOr<job::RunResult> result = job::Run(spec, observer);
  EXPECT_TRUE(result.ok()) << result.status();
  return spec.output_directory;
}

// The same work on both devices: nothing drawn on the device, and the plain order of batches.
job::RunSpec Comparable(const std::string& method) {
  job::RunSpec spec = SpecFor(method, ComparableFolder(), NewFolder("out"));
  for (const methods::MethodSpec& description : job::Catalog()) {
    if (description.name != method) continue;
    for (const methods::HyperparameterSpec& parameter : description.hyperparameters) {
      if (parameter.name == "augment") spec.hyperparameters["augment"] = "none";
      if (parameter.name == "selection") spec.hyperparameters["selection"] = "last";
      if (parameter.name == "guard") spec.hyperparameters["guard"] = "off";
    }
  }
  return spec;
}

class MethodOnGpuTest : public GpuTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(MethodOnGpuTest, Runs) {
  const std::string out =
      OutputsOf(SpecFor(GetParam(), WorldFolder(), NewFolder("out")), TestDevice());
  ASSERT_TRUE(std::filesystem::exists(out + "/report.json"));
  if (!std::filesystem::exists(out + "/model.safetensors")) return;
  for (const auto& [name, tensor] : ReadTensors(out + "/model.safetensors")) {
    if (tensor.is_floating_point()) {
      EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Catalog, MethodOnGpuTest, ::testing::ValuesIn(AllMethods()),
                         [](const auto& info) { return info.param; });

class AgreementTest : public GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    // Products and convolutions in whole fp32.
    at::globalContext().setAllowTF32CuBLAS(false);
    at::globalContext().setAllowTF32CuDNN(false);
  }
};

// One pass forward: only the order of sums differs.
TEST_F(AgreementTest, EvaluationGivesTheSameReport) {
  const auto report = [](const std::string& device) {
    const std::string out = OutputsOf(Comparable("evaluate"), device);
    return nlohmann::json::parse(ReadText(out + "/report.json"));
  };
  const nlohmann::json cpu = report("cpu"), gpu = report(TestDevice());
  EXPECT_EQ(cpu["confusion_matrix"], gpu["confusion_matrix"]);
  for (const char* figure : {"accuracy", "loss", "entropy"}) {
    if (!cpu.contains(figure) || !cpu[figure].is_number()) continue;
    EXPECT_NEAR(cpu[figure].get<double>(), gpu[figure].get<double>(), 1e-4) << figure;
  }
}

// Short trainings: differences in the last bit grow with every step. The tolerance is relative to
// the largest weight of each tensor.
TEST_F(AgreementTest, TrainingGivesTheSameWeights) {
  constexpr double kTolerance = 1e-2;
  for (const char* method : {"adabn", "deep_coral", "finetune", "shot", "tent"}) {
    SCOPED_TRACE(method);
    const auto cpu = ReadTensors(OutputsOf(Comparable(method), "cpu") + "/model.safetensors");
    const auto gpu =
        ReadTensors(OutputsOf(Comparable(method), TestDevice()) + "/model.safetensors");
    ASSERT_EQ(cpu.size(), gpu.size());
    for (const auto& [name, tensor] : cpu) {
      if (!tensor.is_floating_point()) continue;
      ASSERT_TRUE(gpu.count(name)) << name;
      const double scale = std::max(tensor.abs().max().item<double>(), 1e-3);
      EXPECT_LE((tensor - gpu.at(name)).abs().max().item<double>(), kTolerance * scale) << name;
    }
  }
}

class MemoryTest : public GpuTest {};

// The first job also pays for what LibTorch keeps for good, such as cuBLAS's workspace.
TEST_F(MemoryTest, AJobGivesItBack) {
  if (TestDevice() == "cpu") GTEST_SKIP() << "the CPU's allocator does not count";
  const auto allocated_bytes = [] {
    return at::getDeviceAllocator(at::kCUDA)->getDeviceStats(0).allocated_bytes[0].current;
  };
  for (const char* method : {"dann", "shot", "auto"}) {
    SCOPED_TRACE(method);
    OutputsOf(SpecFor(method, WorldFolder(), NewFolder("out")), TestDevice());
    const int64_t before = allocated_bytes();
    OutputsOf(SpecFor(method, WorldFolder(), NewFolder("out")), TestDevice());
    EXPECT_LE(allocated_bytes(), before);
  }
}

}  // namespace
}  // namespace acclimate::gpu
