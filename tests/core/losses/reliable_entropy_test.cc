#include "core/losses/reliable_entropy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/core/losses/gradient_check.h"

namespace acclimate::losses {
namespace {

// By the definition, in plain loops.
std::vector<double> Entropies(const at::Tensor& logits) {
  std::vector<double> entropies;
  for (int64_t i = 0; i < logits.size(0); ++i) {
    double sum = 0, entropy = 0;
    for (int64_t c = 0; c < logits.size(1); ++c) sum += std::exp(logits[i][c].item<double>());
    for (int64_t c = 0; c < logits.size(1); ++c) {
      const double p = std::exp(logits[i][c].item<double>()) / sum;
      entropy -= p * std::log(p);
    }
    entropies.push_back(entropy);
  }
  return entropies;
}

TEST(ReliableEntropyTest, KeepsTheSure) {
  const at::Tensor logits = Normal({40, 5}) * 2;
  const at::Tensor kept = ReliableSamples(logits, 0.8);
  const std::vector<double> entropies = Entropies(logits);
  int64_t count = 0;
  for (int64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(kept[i].item<bool>(), entropies[i] < 0.8);
    count += entropies[i] < 0.8;
  }
  EXPECT_GT(count, 3);
  EXPECT_LT(count, 37);
}

TEST(ReliableEntropyTest, KeepsTheNovel) {
  const at::Tensor p = (Normal({40, 5}) * 2).softmax(1), mean = Normal({5}).softmax(0);
  const at::Tensor kept = NovelSamples(p, mean, 0.5);
  for (int64_t i = 0; i < 40; ++i) {
    double dot = 0, length = 0, mean_length = 0;
    for (int64_t c = 0; c < 5; ++c) {
      const double a = p[i][c].item<double>(), b = mean[c].item<double>();
      dot += a * b;
      length += a * a;
      mean_length += b * b;
    }
    EXPECT_EQ(kept[i].item<bool>(), dot / std::sqrt(length * mean_length) < 0.5);
  }
  EXPECT_TRUE(kept.any().item<bool>());
  EXPECT_FALSE(kept.all().item<bool>());
}

TEST(ReliableEntropyTest, EqualsItsDefinition) {
  const at::Tensor logits = Normal({12, 4}) * 2;
  const at::Tensor kept = at::arange(12).remainder(3).ne(0);
  const std::vector<double> entropies = Entropies(logits);
  double plain = 0, weighted = 0;
  for (int64_t i = 0; i < 12; ++i) {
    if (i % 3 == 0) continue;
    plain += entropies[i] / 8;
    weighted += std::exp(0.7 - entropies[i]) * entropies[i] / 8;
  }
  EXPECT_NEAR(EntropyOf(kept, logits).item<double>(), plain, 1e-12);
  EXPECT_NEAR(WeightedEntropyOf(kept, logits, 0.7).item<double>(), weighted, 1e-12);
}

TEST(ReliableEntropyTest, GradientIsRight) {
  const at::Tensor kept = at::arange(6).lt(4);
  ExpectGradient([&](const at::Tensor& probe) { return EntropyOf(kept, probe); }, Normal({6, 3}));
}

TEST(ReliableEntropyTest, WeightsAreConstantsToTheGradient) {
  const at::Tensor kept = at::arange(6).lt(4), logits = Normal({6, 3});
  const std::vector<double> entropies = Entropies(logits);
  at::Tensor expected = at::zeros_like(logits);
  for (int64_t i = 0; i < 4; ++i) {
    at::Tensor row = logits[i].clone().requires_grad_();
    const at::Tensor p = row.log_softmax(0);
    (std::exp(0.7 - entropies[i]) / 4 * -(p.exp() * p).sum()).backward();
    expected[i] = row.grad();
  }
  at::Tensor leaf = logits.clone().requires_grad_();
  WeightedEntropyOf(kept, leaf, 0.7).backward();
  EXPECT_LT((leaf.grad() - expected).abs().max().item<double>(), 1e-12);
}

TEST(ReliableEntropyTest, NothingKeptIsNothing) {
  at::Tensor logits = Normal({3, 4}).requires_grad_();
  const at::Tensor none = at::zeros({3}, at::kBool);
  const at::Tensor loss = EntropyOf(none, logits) + WeightedEntropyOf(none, logits, 1.0);
  loss.backward();
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_EQ(logits.grad().abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace acclimate::losses
