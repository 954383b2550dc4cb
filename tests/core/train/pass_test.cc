#include "core/train/pass.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <tuple>

#include "core/model/architectures.h"

namespace acclimate::train {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

StopSignal Never() {
  return StopSignal([] { return Directive::kContinue; });
}

data::Dataset Labelled(int64_t samples, int64_t classes) {
  at::manual_seed(samples);
  return data::Dataset::FromTensors(at::randn({samples, 6}), at::randint(classes, {samples}),
                                    "labelled")
      .value();
}

TEST(PassBatchSizeTest, FillsEightMebibytesWithinBounds) {
  EXPECT_EQ(PassBatchSize({1}), 512);
  EXPECT_EQ(PassBatchSize({4096}), 512);
  EXPECT_EQ(PassBatchSize({3, 64, 64}), 170);  // 2^21 floats / 12,288
  EXPECT_EQ(PassBatchSize({131072}), 16);
  EXPECT_EQ(PassBatchSize({3, 1024, 1024}), 16);
}

TEST(ForEachBatchTest, VisitsEverySampleOnceInOrder) {
  const data::Dataset dataset = Labelled(1100, 4);
  std::vector<std::pair<int64_t, int64_t>> batches;
  std::vector<at::Tensor> inputs, labels;
  StopSignal stop = Never();
  const absl::Status status =
      ForEachBatch(dataset, at::kCPU, stop, [&](int64_t begin, const data::Batch& batch) {
        EXPECT_FALSE(at::GradMode::is_enabled());
        batches.emplace_back(begin, batch.inputs.size(0));
        inputs.push_back(batch.inputs);
        labels.push_back(batch.labels);
      });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(batches, ElementsAre(Pair(0, 512), Pair(512, 512), Pair(1024, 76)));
  EXPECT_TRUE(at::equal(at::cat(inputs), dataset.stored_inputs()));
  EXPECT_TRUE(at::equal(at::cat(labels), dataset.labels()));
}

TEST(ForEachBatchTest, StopsBetweenBatches) {
  const data::Dataset dataset = Labelled(1100, 4);
  int polls = 0, visits = 0;
  StopSignal stop([&] { return ++polls > 1 ? Directive::kPause : Directive::kContinue; });
  const absl::Status status =
      ForEachBatch(dataset, at::kCPU, stop, [&](int64_t, const data::Batch&) { ++visits; });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(visits, 1);
}

TEST(ForEachMixedBatchTest, DealsEverySampleOnceIntoEvenBatches) {
  const data::Dataset dataset = Labelled(1100, 4);
  for (const int64_t most : {512, 550, 1100, 5000}) {
    std::vector<at::Tensor> seen, again;
    StopSignal stop = Never();
    const auto collect = [&](std::vector<at::Tensor>& batches) {
      return ForEachMixedBatch(
          dataset, at::kCPU, most, stop, [&](const at::Tensor& index, const data::Batch& batch) {
            EXPECT_FALSE(at::GradMode::is_enabled());
            EXPECT_TRUE(batch.inputs.equal(dataset.stored_inputs().index_select(0, index)));
            batches.push_back(index);
          });
    };
    ASSERT_TRUE(collect(seen).ok());
    ASSERT_TRUE(collect(again).ok());
    ASSERT_EQ(seen.size(), static_cast<size_t>((1100 + most - 1) / most));
    for (size_t i = 0; i < seen.size(); ++i) {
      EXPECT_TRUE(seen[i].equal(again[i]));
      EXPECT_LE(std::abs(seen[i].size(0) - seen[0].size(0)), 1);
    }
    EXPECT_TRUE(std::get<0>(at::cat(seen).sort()).equal(at::arange(1100, at::kLong)));
  }
}

// As files are that hold one class after the other.
TEST(ForEachMixedBatchTest, EveryBatchIsASampleOfTheWhole) {
  const data::Dataset dataset = Labelled(1000, 4);
  StopSignal stop = Never();
  ASSERT_TRUE(ForEachMixedBatch(dataset, at::kCPU, 250, stop,
                                [&](const at::Tensor& index, const data::Batch&) {
                                  EXPECT_NEAR(index.to(at::kDouble).mean().item<double>(), 500,
                                              150);
                                })
                  .ok());
}

TEST(StopSignalTest, RemembersTheFirstAnswer) {
  int polls = 0;
  StopSignal stop([&] { return ++polls == 2 ? Directive::kPause : Directive::kContinue; });
  EXPECT_TRUE(stop.Check().ok());
  EXPECT_EQ(stop.Check().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(stop.Check().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(polls, 2);
  EXPECT_EQ(stop.directive(), Directive::kPause);
}

TEST(CountPredictionsTest, AddsTrueClassByPredictedClass) {
  at::Tensor counts = at::zeros({3, 3}, at::kLong);
  counts[2][0] = 5;
  const at::Tensor logits = at::tensor({0., 9., 1., 4., 0., 1., 0., 9., 1.}).view({3, 3});
  CountPredictions(logits, at::tensor({0, 2, 0}, at::kLong), counts);
  EXPECT_TRUE(at::equal(counts, at::tensor({0, 2, 0, 0, 0, 0, 6, 0, 0}, at::kLong).view({3, 3})));
}

TEST(ConfusionMatrixTest, EqualsABruteForceCount) {
  constexpr int64_t kClasses = 4;
  at::manual_seed(1);
  const auto model = model::BuildArchitecture({"mlp", {6}, kClasses}).value();
  const data::Dataset dataset = Labelled(700, kClasses - 1);  // more than one batch
  StopSignal stop = Never();
  const absl::StatusOr<at::Tensor> counts = ConfusionMatrix(*model, dataset, at::kCPU, stop);
  ASSERT_TRUE(counts.ok()) << counts.status();

  const at::NoGradGuard no_grad;
  int64_t expected[kClasses][kClasses] = {}, right = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const data::Batch sample = dataset.Slice(i, i + 1, at::kCPU);
    const at::Tensor logits = model->Forward(sample.inputs, model::Mode::kEvaluation).logits[0];
    int64_t predicted = 0;
    for (int64_t c = 1; c < kClasses; ++c) {
      if (logits[c].item<float>() > logits[predicted].item<float>()) predicted = c;
    }
    const int64_t label = sample.labels[0].item<int64_t>();
    ++expected[label][predicted];
    right += label == predicted;
  }
  ASSERT_EQ(counts->sizes(), (std::vector<int64_t>{kClasses, kClasses}));
  for (int64_t i = 0; i < kClasses; ++i) {
    for (int64_t j = 0; j < kClasses; ++j) {
      EXPECT_EQ((*counts)[i][j].item<int64_t>(), expected[i][j]) << i << ", " << j;
    }
  }
  EXPECT_DOUBLE_EQ(Accuracy(*counts), right / 700.0);
}

TEST(ConfusionMatrixTest, IsCancelled) {
  const auto model = model::BuildArchitecture({"mlp", {6}, 4}).value();
  const data::Dataset dataset = Labelled(700, 4);
  int polls = 0;
  StopSignal stop([&] { return ++polls > 1 ? Directive::kCancel : Directive::kContinue; });
  EXPECT_EQ(ConfusionMatrix(*model, dataset, at::kCPU, stop).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(AccuracyTest, ByClassIsRowByRow) {
  const at::Tensor confusion = at::tensor({3, 1, 0, 0, 0, 0, 2, 1, 5}, at::kLong).view({3, 3});
  EXPECT_DOUBLE_EQ(Accuracy(confusion), 8.0 / 12.0);
  const std::vector<double> by_class = PerClassAccuracy(confusion);
  ASSERT_EQ(by_class.size(), 3u);
  EXPECT_DOUBLE_EQ(by_class[0], 0.75);
  EXPECT_TRUE(std::isnan(by_class[1]));
  EXPECT_DOUBLE_EQ(by_class[2], 0.625);
}

}  // namespace
}  // namespace acclimate::train
