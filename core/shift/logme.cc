#include "core/shift/logme.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

namespace acclimate::shift {
namespace {

constexpr int kMostIterations = 100;
constexpr double kTolerance = 1e-6;  // of t, relative
constexpr double kSmallest = 1e-12;  // of a residual or a weight that is 0 but for rounding
constexpr double kLogTwoPi = 1.8378770664093453;

// The eigenvalues that are not bound to be 0, and what z^2 is made of: z^2 = sigma (U'y)^2 with U
// the eigenvectors of FF'. The smaller of F'F and FF' is taken apart.
struct Spectrum {
  at::Tensor sigma;    // [min(N, D)]
  at::Tensor squares;  // z^2 [min(N, D), classes]
  double zeros = 0;    // the D - min(N, D) others; z is 0 there
};

Spectrum Decompose(const at::Tensor& features, const at::Tensor& targets) {
  const int64_t samples = features.size(0), dimensions = features.size(1);
  Spectrum spectrum;
  if (dimensions <= samples) {
    const auto [sigma, vectors] = at::linalg_eigh(features.t().mm(features));
    spectrum.sigma = sigma.clamp_min(0);
    spectrum.squares = vectors.t().mm(features.t().mm(targets)).square();
  } else {
    const auto [sigma, vectors] = at::linalg_eigh(features.mm(features.t()));
    spectrum.sigma = sigma.clamp_min(0);
    spectrum.squares = vectors.t().mm(targets).square() * spectrum.sigma.unsqueeze(1);
    spectrum.zeros = static_cast<double>(dimensions - samples);
  }
  return spectrum;
}

struct EvidenceFit {
  double gamma, weights_squared, residual_squared;
};

EvidenceFit FitAt(const at::Tensor& sigma, const at::Tensor& z2, double y2, double t) {
  const at::Tensor inverse = 1 / (sigma + t);
  const at::Tensor shrunk = z2 * inverse;
  const double residual =
      y2 - 2 * shrunk.sum().item<double>() + (shrunk * inverse * sigma).sum().item<double>();
  return {(sigma * inverse).sum().item<double>(),
          std::max((shrunk * inverse).sum().item<double>(), kSmallest),
          std::max(residual, kSmallest)};
}

double EvidenceOfClass(const Spectrum& spectrum, const at::Tensor& z2, double y2, double samples) {
  double alpha = 1, beta = 1;
  EvidenceFit fit{};
  for (int i = 0; i < kMostIterations; ++i) {
    const double t = alpha / beta;
    fit = FitAt(spectrum.sigma, z2, y2, t);
    alpha = fit.gamma / fit.weights_squared;
    beta = (samples - fit.gamma) / fit.residual_squared;
    if (std::abs(alpha / beta - t) <= kTolerance * t) break;
  }
  fit = FitAt(spectrum.sigma, z2, y2, alpha / beta);
  const double dimensions = static_cast<double>(spectrum.sigma.numel()) + spectrum.zeros;
  const double log_determinant =
      (alpha + beta * spectrum.sigma).log().sum().item<double>() + spectrum.zeros * std::log(alpha);
  return (dimensions * std::log(alpha) + samples * (std::log(beta) - kLogTwoPi) - log_determinant -
          beta * fit.residual_squared - alpha * fit.weights_squared) /
         (2 * samples);
}

}  // namespace

double LogMe(const at::Tensor& features, const at::Tensor& labels, int64_t classes) {
  TORCH_CHECK(features.dim() == 2 && labels.dim() == 1 && features.size(0) == labels.size(0) &&
                  features.size(0) >= 1,
              "LogMe: needs features [N, D] and labels [N], got ", features.sizes(), " and ",
              labels.sizes());
  const at::NoGradGuard no_grad;
  const double samples = features.size(0);
  const at::Tensor targets = at::one_hot(labels, classes).to(at::kDouble);
  const Spectrum spectrum = Decompose(features.to(at::kDouble), targets);
  double sum = 0;
  int present = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const double y2 = targets.select(1, c).sum().item<double>();  // |y|^2 of zeros and ones
    if (y2 == 0) continue;
    sum += EvidenceOfClass(spectrum, spectrum.squares.select(1, c), y2, samples);
    ++present;
  }
  return sum / present;
}

}  // namespace acclimate::shift
