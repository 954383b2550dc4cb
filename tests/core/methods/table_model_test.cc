#include "core/methods/teaching/table_model.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/methods/source_free/laplacian_adjustment.h"
#include "tests/core/normal_samples.h"

namespace acclimate::methods {
namespace {

using ::acclimate::testing::Normal;

train::StopSignal& Unstopped() {
  static auto* const kStop = new train::StopSignal([] { return train::Directive::kContinue; });
  return *kStop;
}

// Between the two values beside it, as numpy.quantile does it.
double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

std::vector<double> ReferenceColumn(std::vector<double> x, size_t transform) {
  const double median = Quantile(x, 0.5);
  std::vector<double> distances;
  for (const double value : x) distances.push_back(std::abs(value - median));
  const double reach = 20 * Quantile(distances, 0.75);
  double mean = 0, square = 0;
  for (double& value : x) {
    if (reach > 0) value = std::clamp(value, median - reach, median + reach);
    if (transform == 1) value = std::copysign(std::log(1 + std::abs(value)), value);
    mean += value / static_cast<double>(x.size());
  }
  for (const double value : x) {
    square += (value - mean) * (value - mean) / static_cast<double>(x.size());
  }
  for (double& value : x) value = square > 1e-20 ? (value - mean) / std::sqrt(square) : 0;
  return x;
}

TEST(TableScaleTest, EqualsTheFormulaInLoops) {
  at::Tensor samples = (Normal({31, 4}, 1) * 50 - 7).to(at::kFloat);
  samples[3][0] = 1e6;            // far out
  samples.select(1, 1).fill_(4);  // constant
  samples.select(1, 2).fill_(0);  // a rare category: most are alike
  samples.select(1, 2).slice(0, 0, 3).fill_(1);
  const TableScale scale(samples);
  for (const size_t transform : {size_t{0}, size_t{1}}) {
    const at::Tensor scaled = scale.Apply(samples, transform);
    for (int64_t column = 0; column < 4; ++column) {
      std::vector<double> x;
      for (int64_t i = 0; i < 31; ++i) x.push_back(samples[i][column].item<double>());
      const std::vector<double> expected = ReferenceColumn(x, transform);
      for (int64_t i = 0; i < 31; ++i) {
        EXPECT_NEAR(scaled[i][column].item<double>(), expected[i], 1e-9) << column << " " << i;
      }
    }
  }
}

// Two classes apart along every coordinate.
data::Batch TwoClasses(int64_t samples, uint64_t seed, double gain, double offset) {
  const at::Tensor labels = at::arange(samples, at::kLong).remainder(2);
  const at::Tensor centres = labels.to(at::kDouble).unsqueeze(1) * 2 - 1;
  return {((centres + Normal({samples, 3}, seed)) * gain + offset).to(at::kFloat), labels};
}

double ShareRight(const at::Tensor& probabilities, const at::Tensor& labels) {
  return probabilities.argmax(1).eq(labels).to(at::kDouble).mean().item<double>();
}

TEST(TableModelTest, SeesThroughAnotherGainAndOffsetOfEachDomain) {
  const std::vector<data::Batch> sources = {TwoClasses(80, 2, 1, 0), TwoClasses(60, 3, 40, -900)};
  const std::vector<TableScale> scales = {TableScale(sources[0].inputs),
                                          TableScale(sources[1].inputs)};
  const TableModel model = TableModel::Fit(sources, scales, 3, Unstopped()).value();
  const data::Batch target = TwoClasses(100, 4, 0.02, 7);
  const at::Tensor probabilities = model.Probabilities(target.inputs, TableScale(target.inputs));
  EXPECT_GT(ShareRight(probabilities, target.labels), 0.9);
  EXPECT_TRUE(probabilities.sum(1).allclose(at::ones({100}, at::kDouble)));
  EXPECT_EQ(probabilities.select(1, 2).max().item<double>(), 0);  // no source has the class
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_GT(ShareRight(model.Probabilities(sources[i].inputs, scales[i]), sources[i].labels),
              0.9);
  }
}

TEST(TableModelTest, ProbabilitiesAreTheMeanOfSixClassifiers) {
  const data::Batch source = TwoClasses(50, 5, 3, 1);
  const TableScale scale(source.inputs);
  const TableModel model = TableModel::Fit({source}, {scale}, 2, Unstopped()).value();
  at::Tensor sum = at::zeros({50, 2}, at::kDouble);
  for (const size_t transform : {size_t{0}, size_t{1}}) {
    const at::Tensor x = scale.Apply(source.inputs, transform);
    for (const double c : {0.01, 0.1, 1.0}) {
      sum += shift::FitLogisticClassifier(x, source.labels, 2, c).Logits(x).softmax(1);
    }
  }
  EXPECT_TRUE(model.Probabilities(source.inputs, scale).allclose(sum / 6, 0, 1e-9));
}

TEST(TableModelTest, NeighboursAdjustTheProbabilities) {
  const data::Batch source = TwoClasses(50, 6, 1, 0), target = TwoClasses(70, 7, 1, 0);
  const TableModel model =
      TableModel::Fit({source}, {TableScale(source.inputs)}, 2, Unstopped()).value();
  const TableScale scale(target.inputs);
  const at::Tensor neighbors =
      NearestNeighbors(scale.Apply(target.inputs, 1), 5, Nearness::kDistance);
  const at::Tensor expected = LaplacianAdjustment(model.Probabilities(target.inputs, scale).log(),
                                                  neighbors, 1.0, Affinity::kSymmetric)
                                  .probabilities;
  const at::Tensor adjusted = model.AdjustedProbabilities(target.inputs, scale, 5);
  EXPECT_TRUE(adjusted.allclose(expected));
  EXPECT_GE(ShareRight(adjusted, target.labels), 0.8);
}

TEST(TableModelTest, CanBeStopped) {
  const data::Batch source = TwoClasses(50, 8, 1, 0);
  train::StopSignal stop([] { return train::Directive::kCancel; });
  EXPECT_TRUE(
      absl::IsCancelled(TableModel::Fit({source}, {TableScale(source.inputs)}, 2, stop).status()));
}

}  // namespace
}  // namespace acclimate::methods
