#include "core/shift/mmd_test.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/losses/kernel_bandwidth.h"

namespace acclimate::shift {
namespace {

// exp(-D / (2 alpha m)) summed over alpha = 1/4, 1/2, 1, 2, 4, from one exp and four squarings;
// the diagonal is 0.
at::Tensor KernelsBetweenDifferentRows(const at::Tensor& source, const at::Tensor& target) {
  constexpr double kWidest = 4;
  constexpr int kSquarings = 4;
  const at::Tensor mean = losses::CommonMean(source, target);
  const at::Tensor x = source - mean, y = target - mean;
  const at::Tensor width = losses::MeanSquaredDistanceOfCentred(x, y) * (2 * kWidest);
  const at::Tensor z = at::cat({x, y});
  const at::Tensor squares = z.square().sum(1);
  at::Tensor kernel = z.mm(z.t()).mul_(-2).add_(squares.unsqueeze(1)).add_(squares).clamp_min_(0);
  kernel.div_(-width).exp_();
  at::Tensor sum = kernel.clone();
  for (int i = 0; i < kSquarings; ++i) sum.add_(kernel.square_());
  return sum.fill_diagonal_(0);
}

// [N, 1 + permutations]: the true division, then random ones; 1 for a row of the first part.
at::Tensor Divisions(int64_t n, int64_t rows, int64_t permutations, at::Generator generator,
                     const at::TensorOptions& options) {
  at::Tensor divisions = at::zeros({1 + permutations, rows}, options);
  divisions[0].narrow(0, 0, n).fill_(1);
  for (int64_t i = 1; i <= permutations; ++i) {
    const at::Tensor order = at::randperm(rows, generator, at::TensorOptions(at::kLong));
    divisions[i].index_fill_(0, order.narrow(0, 0, n), 1);
  }
  return divisions.t();
}

}  // namespace

MmdTest MmdPermutationTest(const at::Tensor& source, const at::Tensor& target, int64_t permutations,
                           at::Generator generator) {
  losses::CheckKernelSamples("MmdPermutationTest", source, target, {1}, /*least_rows=*/2);
  const at::NoGradGuard no_grad;
  at::Tensor kernel = KernelsBetweenDifferentRows(source, target);
  const int64_t rows = kernel.size(0);
  const double n = source.size(0), m = target.size(0);
  // The statistic does not change when every entry off the diagonal does by one amount; around
  // their mean, sums in single precision lose little.
  const double entries = static_cast<double>(rows) * static_cast<double>(rows - 1);
  kernel.sub_(kernel.sum(1).sum(at::kDouble).item<double>() / entries).fill_diagonal_(0);

  const at::Tensor divisions =
      Divisions(source.size(0), rows, permutations, generator, source.options());
  const at::Tensor row_sums = kernel.sum(1).to(at::kDouble);
  const at::Tensor within = (divisions * kernel.mm(divisions)).sum(0, false, at::kDouble);
  const at::Tensor touching = divisions.t().to(at::kDouble).mv(row_sums);
  const at::Tensor across = touching - within;
  const at::Tensor rest = row_sums.sum() - touching - across;
  const at::Tensor statistic =
      within / (n * (n - 1)) + rest / (m * (m - 1)) - across * (2 / (n * m));
  const double observed = statistic[0].item<double>();
  const double reached = statistic.ge(observed).sum().item<double>();  // itself among them
  return {observed, reached / static_cast<double>(1 + permutations)};
}

}  // namespace acclimate::shift
