#include "core/losses/class_confusion.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/losses/entropy.h"
#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix Softmax(const at::Tensor& logits) {
  Matrix rows(logits.size(0), std::vector<double>(logits.size(1)));
  for (size_t i = 0; i < rows.size(); ++i) {
    double sum = 0;
    for (size_t c = 0; c < rows[i].size(); ++c) {
      sum += rows[i][c] = std::exp(logits[i][c].item<double>());
    }
    for (double& p : rows[i]) p /= sum;
  }
  return rows;
}

// N (1 + e^{-H_i}) / sum_i (1 + e^{-H_i}).
std::vector<double> Weights(const Matrix& p) {
  std::vector<double> weights;
  double sum = 0;
  for (const std::vector<double>& row : p) {
    double entropy = 0;
    for (const double probability : row) entropy -= probability * std::log(probability);
    weights.push_back(1 + std::exp(-entropy));
    sum += weights.back();
  }
  for (double& weight : weights) weight *= p.size() / sum;
  return weights;
}

double BruteForceConfusion(const at::Tensor& logits, double temperature,
                           const std::vector<double>& w) {
  const Matrix y = Softmax(logits / temperature);
  const size_t classes = y[0].size();
  Matrix confusion(classes, std::vector<double>(classes, 0.0));
  for (size_t j = 0; j < classes; ++j) {
    for (size_t k = 0; k < classes; ++k) {
      for (size_t i = 0; i < y.size(); ++i) confusion[j][k] += y[i][j] * w[i] * y[i][k];
    }
  }
  double loss = 0;
  for (size_t j = 0; j < classes; ++j) {
    double row = 0;
    for (const double share : confusion[j]) row += share;
    for (size_t k = 0; k < classes; ++k) {
      if (k != j) loss += confusion[j][k] / row;
    }
  }
  return loss / classes;
}

TEST(EntropyWeightsTest, EqualTheirDefinitionAndAreHeld) {
  at::manual_seed(3);
  const at::Tensor logits = Normal({6, 4}).mul(2).requires_grad_();
  const at::Tensor weights = EntropyWeights(logits);
  EXPECT_FALSE(weights.requires_grad());
  const std::vector<double> expected = Weights(Softmax(logits.detach()));
  for (int64_t i = 0; i < 6; ++i) EXPECT_NEAR(weights[i].item<double>(), expected[i], 1e-12);
  EXPECT_NEAR(weights.mean().item<double>(), 1, 1e-12);
}

TEST(ClassConfusionTest, EqualsItsDefinition) {
  at::manual_seed(4);
  const at::Tensor logits = Normal({7, 4}) * 3;
  for (const double temperature : {1.0, 2.5}) {
    const std::vector<double> weights = Weights(Softmax(logits / temperature));
    EXPECT_NEAR(ClassConfusion(logits, temperature).item<double>(),
                BruteForceConfusion(logits, temperature, weights), 1e-12);
  }
}

TEST(ClassConfusionTest, GradientIsThatOfTheDefinitionWithTheWeightsHeld) {
  at::manual_seed(5);
  const at::Tensor logits = Normal({5, 3});
  const std::vector<double> held = Weights(Softmax(logits / 2.5));
  ExpectGradient(
      [&](const at::Tensor& probe) {
        return probe.requires_grad()
                   ? ClassConfusion(probe, 2.5)
                   : at::full({}, BruteForceConfusion(probe, 2.5, held), at::kDouble);
      },
      logits);
}

TEST(ClassConfusionTest, IsLeastForCertainPredictionsAndStaysFiniteWithUnusedClasses) {
  at::Tensor logits = at::zeros({4, 3});
  logits.select(1, 1).fill_(1e4);
  logits.requires_grad_();
  const at::Tensor loss = ClassConfusion(logits, 2.5);
  loss.backward();
  EXPECT_NEAR(loss.item<float>(), 0, 1e-6);
  EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());
  EXPECT_NEAR(ClassConfusion(at::zeros({4, 3}), 2.5).item<float>(), 2.0 / 3, 1e-6);
}

}  // namespace
}  // namespace acclimate::losses
