#include "core/shift/label_shift.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace acclimate::shift {
namespace {

std::string ClassList(const std::vector<int64_t>& classes) {
  return absl::StrCat(classes.size() == 1 ? "class " : "classes ", absl::StrJoin(classes, ", "));
}

std::vector<int64_t> Where(const at::Tensor& mask) {
  const at::Tensor index = mask.nonzero().view({-1}).contiguous();
  const int64_t* const values = index.data_ptr<int64_t>();
  return std::vector<int64_t>(values, values + index.numel());
}

// C and mu of the header.
struct Moments {
  at::Tensor joint;      // double [C, C], row = predicted
  at::Tensor predicted;  // double [C]
};

absl::StatusOr<Moments> MomentsOf(const at::Tensor& confusion, const at::Tensor& predicted) {
  const std::vector<int64_t> missing = Where(confusion.sum(1).eq(0));
  if (!missing.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("no held-out samples of ", ClassList(missing),
                     "; label shift is estimated from samples of every class"));
  }
  const at::Tensor joint = confusion.t().to(at::kDouble);
  const at::Tensor counts = predicted.to(at::kDouble);
  return Moments{joint / joint.sum(), counts / counts.sum()};
}

// Below this singular value of P(yhat | y) the noise of the counts is multiplied by more than a
// hundred: the equations say nothing.
constexpr double kMinSingularValue = 0.01;
// A class belongs to the direction that cannot be seen when it has this share of its largest entry.
constexpr double kInvolvedShare = 0.3;

absl::Status CheckInvertible(const at::Tensor& confusion) {
  const at::Tensor counts = confusion.to(at::kDouble);
  const at::Tensor conditional = (counts / counts.sum(1, /*keepdim=*/true)).t();
  const auto [u, values, vh] = at::linalg_svd(conditional, /*full_matrices=*/false);
  if (values[-1].item<double>() >= kMinSingularValue) return absl::OkStatus();
  const at::Tensor unseen = vh[-1].abs();
  const std::vector<int64_t> involved = Where(unseen.ge(kInvolvedShare * unseen.max()));
  return absl::FailedPreconditionError(
      absl::StrCat("the confusion matrix is singular: the predictions cannot tell how much there "
                   "is of ",
                   ClassList(involved), "; use the estimator rlls or em"));
}

// argmin over theta >= -1 of theta' Q theta / 2 - c' theta, Q positive definite, by cyclic
// coordinate descent from `theta`.
void MinimizeBounded(const at::Tensor& q, const at::Tensor& c, std::vector<double>& theta) {
  constexpr int kMaxSweeps = 500;
  constexpr double kTolerance = 1e-12;
  const auto curvature = q.accessor<double, 2>();
  const auto linear = c.accessor<double, 1>();
  const int64_t size = c.size(0);
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    double moved = 0;
    for (int64_t j = 0; j < size; ++j) {
      double slope = linear[j];
      for (int64_t k = 0; k < size; ++k) {
        if (k != j) slope -= curvature[j][k] * theta[k];
      }
      const double next = std::max(-1.0, slope / curvature[j][j]);
      moved = std::max(moved, std::abs(next - theta[j]));
      theta[j] = next;
    }
    if (moved < kTolerance) return;
  }
}

// rho of the header: a hundredth of the paper's bound on the error of C at 95 % confidence, as in
// the authors' code.
double RllsPenalty(int64_t classes, double samples) {
  const double log_term = std::log(2.0 * static_cast<double>(classes) / 0.05);
  return 0.01 * 3.0 * (2.0 * log_term / (3.0 * samples) + std::sqrt(2.0 * log_term / samples));
}

at::Tensor Clipped(const at::Tensor& weights, const at::Tensor& source_prior) {
  const at::Tensor prior = weights.clamp_min(0) * source_prior;
  return prior / prior.sum();
}

at::Tensor PredictedCounts(const at::Tensor& probabilities) {
  return probabilities.argmax(1).bincount({}, probabilities.size(1));
}

absl::StatusOr<at::Tensor> WeightsOf(PriorEstimator estimator, const at::Tensor& confusion,
                                     const at::Tensor& predicted) {
  return estimator == PriorEstimator::kBbse ? BbseWeights(confusion, predicted)
                                            : RllsWeights(confusion, predicted);
}

// EM over R reweighted copies of the sample at once. counts: double [N, R]; priors: [R, C].
at::Tensor EmPriors(const at::Tensor& probabilities, const at::Tensor& source_prior,
                    const at::Tensor& counts, at::Tensor priors, int max_iterations,
                    double tolerance) {
  const at::Tensor shares = counts / counts.sum(0);
  for (int iteration = 0; iteration < max_iterations; ++iteration) {
    const at::Tensor weights = priors / source_prior;                             // [R, C]
    const at::Tensor evidence = probabilities.mm(weights.t()).clamp_min(1e-300);  // [N, R]
    const at::Tensor next = weights * (shares / evidence).t().mm(probabilities);
    const at::Tensor updated = next / next.sum(1, /*keepdim=*/true);
    const double moved = (updated - priors).abs().sum(1).max().item<double>();
    priors = updated;
    if (moved < tolerance) break;
  }
  return priors;
}

at::Tensor BootstrapEm(const LabelShiftEvidence& evidence, const at::Tensor& prior, int64_t draws) {
  constexpr int64_t kValuesAtOnce = 1 << 22;  // of counts
  const at::Tensor source_prior = SourcePrior(evidence.confusion);
  const int64_t samples = evidence.probabilities.size(0);
  const int64_t chunk = std::clamp<int64_t>(kValuesAtOnce / samples, 1, draws);
  std::vector<at::Tensor> priors;
  for (int64_t begin = 0; begin < draws; begin += chunk) {
    std::vector<at::Tensor> counts;
    for (int64_t i = begin; i < std::min(begin + chunk, draws); ++i) {
      counts.push_back(at::randint(samples, {samples}, at::kLong).bincount({}, samples));
    }
    const at::Tensor start = prior.expand({static_cast<int64_t>(counts.size()), prior.size(0)});
    // An interval does not need the digits of an estimate.
    priors.push_back(EmPriors(evidence.probabilities, source_prior,
                              at::stack(counts, 1).to(at::kDouble), start,
                              /*max_iterations=*/200, /*tolerance=*/1e-5));
  }
  return at::cat(priors);
}

at::Tensor Resampled(const at::Tensor& counts) {
  const int64_t samples = counts.sum().item<int64_t>();
  const at::Tensor drawn =
      at::multinomial(counts.view({-1}).to(at::kDouble), samples, /*replacement=*/true);
  return drawn.bincount({}, counts.numel()).view(counts.sizes());
}

at::Tensor BootstrapWeights(PriorEstimator estimator, const LabelShiftEvidence& evidence,
                            int64_t draws) {
  const at::Tensor predicted = PredictedCounts(evidence.probabilities);
  std::vector<at::Tensor> priors;
  for (int64_t i = 0; i < draws; ++i) {
    const at::Tensor confusion = Resampled(evidence.confusion);
    const absl::StatusOr<at::Tensor> weights =
        WeightsOf(estimator, confusion, Resampled(predicted));
    if (weights.ok()) priors.push_back(Clipped(*weights, SourcePrior(confusion)));
  }
  return priors.empty() ? at::Tensor() : at::stack(priors);
}

}  // namespace

at::Tensor SourcePrior(const at::Tensor& confusion) {
  const at::Tensor counts = confusion.sum(1).to(at::kDouble);
  return counts / counts.sum();
}

absl::StatusOr<at::Tensor> BbseWeights(const at::Tensor& confusion, const at::Tensor& predicted) {
  const absl::StatusOr<Moments> moments = MomentsOf(confusion, predicted);
  if (!moments.ok()) return moments.status();
  if (absl::Status status = CheckInvertible(confusion); !status.ok()) return status;
  return at::linalg_solve(moments->joint, moments->predicted).clamp_min(0);
}

absl::StatusOr<at::Tensor> RllsWeights(const at::Tensor& confusion, const at::Tensor& predicted) {
  const absl::StatusOr<Moments> moments = MomentsOf(confusion, predicted);
  if (!moments.ok()) return moments.status();
  const int64_t classes = confusion.size(0);
  const double rho = RllsPenalty(classes, confusion.sum().item<double>());
  const at::Tensor& a = moments->joint;
  const at::Tensor b = moments->predicted - a.sum(1);
  const at::Tensor gram = a.t().mm(a), target = a.t().mv(b);
  const at::Tensor unit = at::eye(classes, at::kDouble);
  // Each norm is below its tangent parabola ||v||^2 / (2 ||v0||) + ||v0|| / 2, with equality at v0:
  // minimising the parabolas again and again descends to the minimum of the norms.
  constexpr int kMaxIterations = 300;
  constexpr double kMinNorm = 1e-9, kTolerance = 1e-10;
  std::vector<double> theta(classes, 0.0);
  at::Tensor current = at::zeros({classes}, at::kDouble);
  double residual_norm = 1.0, theta_norm = 1.0;
  for (int iteration = 0; iteration < kMaxIterations; ++iteration) {
    MinimizeBounded(gram / residual_norm + unit * (rho / theta_norm), target / residual_norm,
                    theta);
    const at::Tensor next = at::tensor(theta, at::kDouble);
    const double moved = (next - current).norm().item<double>();
    current = next;
    residual_norm = std::max(kMinNorm, (a.mv(current) - b).norm().item<double>());
    theta_norm = std::max(kMinNorm, current.norm().item<double>());
    if (moved < kTolerance) break;
  }
  return current + 1.0;
}

at::Tensor EmPrior(const at::Tensor& probabilities, const at::Tensor& source_prior,
                   const at::Tensor& start) {
  const at::Tensor ones = at::ones({probabilities.size(0), 1}, at::kDouble);
  return EmPriors(probabilities, source_prior, ones, start.view({1, -1}),
                  /*max_iterations=*/10000, /*tolerance=*/1e-9)[0];
}

absl::StatusOr<at::Tensor> EstimatePrior(PriorEstimator estimator,
                                         const LabelShiftEvidence& evidence) {
  const at::Tensor source_prior = SourcePrior(evidence.confusion);
  const at::Tensor predicted = PredictedCounts(evidence.probabilities);
  if (estimator == PriorEstimator::kEm) {
    const absl::StatusOr<Moments> moments = MomentsOf(evidence.confusion, predicted);
    if (!moments.ok()) return moments.status();
    return EmPrior(evidence.probabilities, source_prior, source_prior);
  }
  const absl::StatusOr<at::Tensor> weights = WeightsOf(estimator, evidence.confusion, predicted);
  if (!weights.ok()) return weights.status();
  return Clipped(*weights, source_prior);
}

PriorInterval BootstrapPrior(PriorEstimator estimator, const LabelShiftEvidence& evidence,
                             const at::Tensor& prior, int64_t draws) {
  const at::Tensor priors = estimator == PriorEstimator::kEm
                                ? BootstrapEm(evidence, prior, draws)
                                : BootstrapWeights(estimator, evidence, draws);
  if (!priors.defined()) return {at::zeros_like(prior), at::ones_like(prior)};
  return {at::quantile(priors, 0.025, 0), at::quantile(priors, 0.975, 0)};
}

}  // namespace acclimate::shift
