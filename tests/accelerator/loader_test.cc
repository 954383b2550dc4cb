#include "core/data/loader.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/runtime/synchronizations.h"
#include "tests/accelerator/pretend_accelerator.h"

namespace acclimate::data {
namespace {

class LoaderTest : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  LoaderTest() {
    at::manual_seed(5);
    const at::Tensor values = at::randint(256, {20, 3, 4, 4}, at::kByte).to(GetParam());
    dataset_ = Dataset::FromTensors(values, at::arange(20, at::kLong) % 4, "some").value();
    EXPECT_TRUE(dataset_->SetNormalization({{0.4, 0.5, 0.6}, {0.2, 0.3, 0.1}}).ok());
  }

  static void ExpectEqual(const Batch& ours, const Batch& host) {
    EXPECT_EQ(ours.inputs.device(), testing::PretendAccelerator());
    EXPECT_EQ(ours.labels.device(), testing::PretendAccelerator());
    EXPECT_TRUE(at::equal(ours.inputs.to(at::kCPU), host.inputs));
    EXPECT_TRUE(at::equal(ours.labels.to(at::kCPU), host.labels));
  }

  absl::optional<Dataset> dataset_;
};

TEST_P(LoaderTest, GivesTheBatchesOfTheCpu) {
  const at::Tensor index = at::tensor({3, 0, 19, 3}, at::kLong);
  const Dataset view = dataset_->Subset(at::arange(19, 4, -1, at::kLong));
  for (const Dataset& dataset : {*dataset_, view}) {
    const Loader loader(dataset, testing::PretendAccelerator());
    const Loader host(dataset, at::kCPU);
    const at::Tensor within = index.remainder(dataset.size());
    ExpectEqual(loader.Gather(within), host.Gather(within));
    ExpectEqual(loader.Slice(2, 9), host.Slice(2, 9));
  }
}

TEST_P(LoaderTest, NeverMakesTheHostWait) {
  const Loader loader(*dataset_, testing::PretendAccelerator());
  const runtime::SynchronizationCounter counter;
  loader.Gather(at::tensor({3, 0, 19, 3}, at::kLong));
  loader.Slice(2, 9);
  EXPECT_EQ(counter.by_operator(), (std::map<std::string, int64_t>()));
}

INSTANTIATE_TEST_SUITE_P(StoredTypes, LoaderTest, ::testing::Values(at::kByte, at::kFloat));

TEST(SynchronizationCounterTest, CountsWhatWaitsForTheDevice) {
  const at::Tensor values = at::ones({3}, at::TensorOptions(testing::PretendAccelerator()));
  const at::Tensor pinned = at::ones({3}, at::TensorOptions(at::kFloat).pinned_memory(true));
  const auto count = [](const auto& work) {
    const runtime::SynchronizationCounter counter;
    work();
    return counter.count();
  };
  EXPECT_EQ(count([&] { values.add(1).mul_(2).sum(); }), 0);
  EXPECT_EQ(count([&] { values.sum().item<float>(); }), 1);
  EXPECT_EQ(count([&] { values.to(at::kCPU); }), 1);
  EXPECT_EQ(count([&] { at::ones({3}).to(values.device()); }), 1);
  EXPECT_EQ(count([&] { at::ones({3}).to(values.device(), /*non_blocking=*/true); }), 1);
  EXPECT_EQ(count([&] { pinned.to(values.device(), /*non_blocking=*/true); }), 0);
  EXPECT_EQ(count([&] { values.nonzero(); }), 1);
  EXPECT_EQ(count([&] { at::ones({3}).sum().item<float>(); }), 0);  // of the host's own
}

}  // namespace
}  // namespace acclimate::data
