#include "core/methods/teaching/marginalized_autoencoder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace acclimate::methods {
namespace {

train::StopSignal& NeverStopped() {
  static auto* const kStop = new train::StopSignal([] { return train::Directive::kContinue; });
  return *kStop;
}

at::Tensor Counts(int64_t rows, int64_t columns) {
  at::manual_seed(3);
  return at::rand({rows, columns}).lt(at::linspace(0.1, 0.8, columns)).to(at::kFloat);
}

// One layer as the paper has it, in double: W = P (Q + ridge)^-1, H = tanh(X W').
at::Tensor ReferenceLayer(const at::Tensor& rows, double p) {
  const int64_t n = rows.size(0), d = rows.size(1);
  const at::Tensor x = at::cat({rows.to(at::kDouble), at::ones({n, 1}, at::kDouble)}, 1);
  at::Tensor cross = at::zeros({d, d + 1}, at::kDouble),
             scatter = at::zeros({d + 1, d + 1}, at::kDouble);
  const auto kept = [&](int64_t column) { return column == d ? 1.0 : 1.0 - p; };
  for (int64_t i = 0; i <= d; ++i) {
    for (int64_t j = 0; j <= d; ++j) {
      const double s = x.select(1, i).dot(x.select(1, j)).item<double>();
      scatter[i][j] = i == j ? s * kept(i) : s * kept(i) * kept(j);
      if (i < d) cross[i][j] = s * kept(j);
    }
  }
  const double ridge = 1e-5 * scatter.trace().item<double>() / static_cast<double>(d + 1);
  const at::Tensor inverse = (scatter + ridge * at::eye(d + 1, at::kDouble)).inverse();
  return x.mm(cross.mm(inverse).t()).tanh();
}

TEST(MarginalizedAutoencoderTest, EqualsThePaper) {
  const at::Tensor rows = Counts(40, 12);
  at::Tensor hidden = rows.to(at::kDouble), features = hidden;
  for (int layer = 0; layer < 3; ++layer) {
    hidden = ReferenceLayer(hidden, 0.8);
    features = at::cat({features, hidden}, 1);
  }
  features = features / features.norm(2, 1, true);
  const auto autoencoder = MarginalizedAutoencoder::Fit(rows, 3, 0.8, NeverStopped()).value();
  EXPECT_TRUE(autoencoder.Features(rows).to(at::kDouble).allclose(features, 1e-3, 1e-4));
}

// The expectation over corruptions is what many corrupted copies average to.
TEST(MarginalizedAutoencoderTest, IsTheBestMapFromCorruptedRows) {
  const double p = 0.3;
  const at::Tensor rows = Counts(60, 5).to(at::kDouble);
  const at::Tensor copies = rows.repeat({2000, 1});
  const at::Tensor corrupted = copies * at::rand(copies.sizes(), at::kDouble).ge(p);
  const at::Tensor ones = at::ones({copies.size(0), 1}, at::kDouble);
  const at::Tensor x = at::cat({corrupted, ones}, 1);
  const at::Tensor map = x.t().mm(x).inverse().mm(x.t().mm(copies));
  const at::Tensor hidden = at::cat({rows, ones.narrow(0, 0, 60)}, 1).mm(map).tanh();
  at::Tensor expected = at::cat({rows, hidden}, 1);
  expected = expected / expected.norm(2, 1, true);
  const auto autoencoder = MarginalizedAutoencoder::Fit(rows, 1, p, NeverStopped()).value();
  EXPECT_TRUE(autoencoder.Features(rows).to(at::kDouble).allclose(expected, 0, 0.01));
}

TEST(MarginalizedAutoencoderTest, AWordThatNoTextHasIsNoTrouble) {
  at::Tensor rows = Counts(30, 6);
  rows.select(1, 4).zero_();
  const auto autoencoder = MarginalizedAutoencoder::Fit(rows, 2, 0.8, NeverStopped()).value();
  EXPECT_TRUE(autoencoder.Features(rows).isfinite().all().item<bool>());
}

TEST(MarginalizedAutoencoderTest, CanBeStopped) {
  train::StopSignal stop([] { return train::Directive::kCancel; });
  EXPECT_TRUE(absl::IsCancelled(MarginalizedAutoencoder::Fit(Counts(9, 4), 1, 0.5, stop).status()));
}

}  // namespace
}  // namespace acclimate::methods
