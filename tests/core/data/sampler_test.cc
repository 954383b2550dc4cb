#include "core/data/sampler.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace acclimate::data {
namespace {

std::vector<int64_t> Values(const at::Tensor& batch) {
  at::Tensor plain = batch.contiguous();
  return {plain.data_ptr<int64_t>(), plain.data_ptr<int64_t>() + plain.numel()};
}

TEST(SamplerTest, AnEpochHasEverySampleAtMostOnceAndDropsTheShortBatch) {
  Sampler sampler(23, 5, 1);
  EXPECT_EQ(sampler.batches_per_epoch(), 4);
  for (int epoch = 0; epoch < 3; ++epoch) {
    EXPECT_EQ(sampler.epoch(), epoch);
    std::set<int64_t> seen;
    for (int i = 0; i < 4; ++i) {
      for (int64_t index : Values(sampler.Next())) {
        EXPECT_TRUE(index >= 0 && index < 23 && seen.insert(index).second);
      }
    }
    EXPECT_EQ(seen.size(), 20u);
  }
}

TEST(SamplerTest, KeepsTheShortBatchWhenAsked) {
  Sampler sampler(23, 5, 1, /*drop_last=*/false);
  EXPECT_EQ(sampler.batches_per_epoch(), 5);
  std::set<int64_t> seen;
  for (int i = 0; i < 5; ++i) {
    for (int64_t index : Values(sampler.Next())) seen.insert(index);
  }
  EXPECT_EQ(seen.size(), 23u);
  EXPECT_EQ(sampler.epoch(), 1);
}

TEST(SamplerTest, ADatasetSmallerThanABatchGivesItselfWhole) {
  Sampler sampler(3, 64, 1);
  EXPECT_EQ(sampler.batches_per_epoch(), 1);
  EXPECT_EQ(sampler.Next().numel(), 3);
  EXPECT_EQ(sampler.Next().numel(), 3);
  EXPECT_EQ(sampler.epoch(), 2);
}

// Each sample is as likely as any other to come first: chi-squared with 9 degrees of freedom.
TEST(SamplerTest, EverySampleIsEquallyLikely) {
  constexpr int kDraws = 5000, kSamples = 10;
  std::vector<int> first(kSamples);
  Sampler sampler(kSamples, kSamples, 99);
  for (int i = 0; i < kDraws; ++i) ++first[Values(sampler.Next())[0]];
  double expected = double{kDraws} / kSamples, chi_squared = 0;
  for (int count : first) chi_squared += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_squared, 33.7);  // exceeded once in 10,000 seeds
}

TEST(SamplerTest, SeedsDecideTheOrderAndTheGlobalGeneratorDoesNot) {
  Sampler a(100, 10, 5), b(100, 10, 5), c(100, 10, 6);
  at::Tensor first = a.Next();
  at::manual_seed(123);
  EXPECT_TRUE(at::equal(first, b.Next()));
  EXPECT_FALSE(at::equal(first, c.Next()));
}

TEST(SamplerTest, ResumesBitEquallyBetweenAnyTwoBatches) {
  for (bool drop_last : {true, false}) {
    for (int stop = 0; stop < 12; ++stop) {
      Sampler original(17, 4, 3, drop_last);
      for (int i = 0; i < stop; ++i) original.Next();
      Sampler resumed(17, 4, /*seed=*/777, drop_last);
      ASSERT_TRUE(resumed.Restore(original.State()).ok());
      for (int i = 0; i < 15; ++i) {
        ASSERT_TRUE(at::equal(original.Next(), resumed.Next())) << stop << " + " << i;
        ASSERT_EQ(original.epoch(), resumed.epoch());
      }
    }
  }
}

TEST(SamplerTest, RefusesTheStateOfAnotherOrDamage) {
  Sampler sampler(17, 4, 3);
  std::map<std::string, at::Tensor> state = sampler.State();
  EXPECT_EQ(Sampler(18, 4, 3).Restore(state).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Sampler(17, 5, 3).Restore(state).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Sampler(17, 4, 3, false).Restore(state).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(sampler.Restore({}).code(), absl::StatusCode::kInvalidArgument);
  for (const char* part : {"generator", "place"}) {
    std::map<std::string, at::Tensor> damaged = state;
    damaged[part] = at::zeros({3}, damaged[part].options());
    EXPECT_EQ(sampler.Restore(damaged).code(), absl::StatusCode::kInvalidArgument) << part;
  }
}

}  // namespace
}  // namespace acclimate::data
