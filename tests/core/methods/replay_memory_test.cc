#include "core/methods/continual/replay_memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace acclimate::methods {
namespace {

// Sample i is the byte image [[i]] with label i % 4.
data::Dataset Bytes(int64_t begin, int64_t end) {
  const at::Tensor numbers = at::arange(begin, end, at::kLong);
  data::Dataset dataset = data::Dataset::FromTensors(numbers.to(at::kByte).view({-1, 1, 1, 1}),
                                                     numbers.remainder(4), "bytes")
                              .value();
  EXPECT_TRUE(dataset.SetNormalization({{0.5}, {0.25}}).ok());
  return dataset;
}

// The logits of sample i are [i, 0, 0, 0].
at::Tensor LogitsOf(const at::Tensor& numbers) {
  at::Tensor logits = at::zeros({numbers.size(0), 4});
  logits.select(1, 0).copy_(numbers);
  return logits;
}

void ExpectConsistent(const ReplayMemory::Sample& sample) {
  for (int64_t i = 0; i < sample.logits.size(0); ++i) {
    const double number = sample.logits[i][0].item<double>();
    EXPECT_NEAR(sample.batch.inputs[i].item<double>(), (number / 255 - 0.5) / 0.25, 1e-5);
    EXPECT_EQ(sample.batch.labels[i].item<int64_t>(), static_cast<int64_t>(number) % 4);
  }
}

TEST(ReplayMemoryTest, DrawsDifferentSamplesWithTheirOwnLabelsAndLogits) {
  at::manual_seed(1);
  const data::Dataset first = Bytes(0, 50), second = Bytes(50, 100);
  ReplayMemory memory(20, 4);
  const int64_t a = memory.AddDataset(first), b = memory.AddDataset(second);
  const at::Tensor rows = at::arange(50, at::kLong);
  memory.Offer(a, rows, LogitsOf(rows));
  memory.Offer(b, rows, LogitsOf(rows + 50));
  EXPECT_EQ(memory.size(), 20);
  EXPECT_EQ(memory.seen(), 100);
  bool from_first = false, from_second = false;
  for (int run = 0; run < 10; ++run) {
    const ReplayMemory::Sample sample = memory.Draw(12, at::kCPU);
    ASSERT_EQ(sample.logits.size(0), 12);
    ExpectConsistent(sample);
    std::set<double> numbers;
    for (int64_t i = 0; i < 12; ++i) numbers.insert(sample.logits[i][0].item<double>());
    EXPECT_EQ(numbers.size(), 12u);
    from_first |= *numbers.begin() < 50;
    from_second |= *numbers.rbegin() >= 50;
  }
  EXPECT_TRUE(from_first && from_second);
  EXPECT_EQ(memory.Draw(100, at::kCPU).logits.size(0), 20);
}

TEST(ReplayMemoryTest, ContentsAreAsStoredAndGoOnInAnotherRun) {
  at::manual_seed(2);
  const data::Dataset stream = Bytes(0, 60);
  ReplayMemory memory(16, 4);
  const at::Tensor rows = at::arange(60, at::kLong);
  memory.AddDataset(stream);
  memory.Offer(0, rows, LogitsOf(rows));
  const train::TensorMap contents = memory.Contents();
  EXPECT_EQ(contents.at("inputs").scalar_type(), at::kByte);
  EXPECT_EQ(contents.at("seen").item<int64_t>(), 60);
  EXPECT_TRUE(
      contents.at("inputs").flatten().to(at::kFloat).equal(contents.at("logits").select(1, 0)));

  const data::Dataset kept =
      stream.WithSamples(contents.at("inputs"), contents.at("labels"), "kept").value();
  for (const auto& [wanted, capacity] :
       std::vector<std::pair<int64_t, int64_t>>{{6, 6}, {50, 16}}) {
    ReplayMemory next(wanted, 4);
    next.Continue(next.AddDataset(kept), contents.at("logits"), 60);
    EXPECT_EQ(next.capacity(), capacity);
    EXPECT_EQ(next.size(), capacity);
    EXPECT_EQ(next.seen(), 60);
    ExpectConsistent(next.Draw(capacity, at::kCPU));
  }
}

TEST(ReplayMemoryTest, AMemoryThatDroppedNothingMayGrow) {
  at::manual_seed(3);
  const data::Dataset few = Bytes(0, 5), more = Bytes(5, 25);
  const at::Tensor rows = at::arange(5, at::kLong);
  ReplayMemory memory(12, 4);
  memory.Continue(memory.AddDataset(few), LogitsOf(rows), 5);
  EXPECT_EQ(memory.capacity(), 12);
  EXPECT_EQ(memory.size(), 5);
  memory.Offer(memory.AddDataset(more), at::arange(20, at::kLong),
               LogitsOf(at::arange(5, 25, at::kLong)));
  EXPECT_EQ(memory.size(), 12);
  ExpectConsistent(memory.Draw(12, at::kCPU));
}

// A part of a memory is a uniform part: none of its samples is more likely to stay.
TEST(ReplayMemoryTest, ShrinkingKeepsAUniformPart) {
  at::manual_seed(4);
  const data::Dataset kept = Bytes(0, 20);
  std::vector<double> counts(20, 0.0);
  for (int run = 0; run < 1000; ++run) {
    ReplayMemory memory(5, 4);
    memory.Continue(memory.AddDataset(kept), LogitsOf(at::arange(20, at::kLong)), 20);
    const at::Tensor logits = memory.Draw(5, at::kCPU).logits;
    for (int64_t i = 0; i < 5; ++i) counts[logits[i][0].item<int64_t>()] += 1;
  }
  double chi_squared = 0;
  for (const double count : counts) chi_squared += (count - 250) * (count - 250) / 250 / 0.75;
  EXPECT_LT(chi_squared, 43.8);  // 19 degrees of freedom, p = 0.001
}

TEST(ReplayMemoryTest, RestoresItsState) {
  at::manual_seed(5);
  const data::Dataset stream = Bytes(0, 60);
  const at::Tensor rows = at::arange(60, at::kLong);
  ReplayMemory memory(16, 4), restored(16, 4), other(15, 4);
  for (ReplayMemory* each : {&memory, &restored, &other}) each->AddDataset(stream);
  memory.Offer(0, rows, LogitsOf(rows));
  ASSERT_TRUE(restored.Restore(memory.State()).ok());
  EXPECT_TRUE(restored.Contents().at("inputs").equal(memory.Contents().at("inputs")));
  EXPECT_EQ(restored.seen(), 60);
  EXPECT_FALSE(other.Restore(memory.State()).ok());
}

}  // namespace
}  // namespace acclimate::methods
