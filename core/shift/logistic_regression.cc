#include "core/shift/logistic_regression.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace acclimate::shift {
namespace {

constexpr int kMostSteps = 50;
constexpr int kMostHalvings = 20;
constexpr double kDecrement = 1e-9;  // stop when a step promises less of the objective than this

struct Problem {
  at::Tensor inputs;  // [N, D + 1], the last column 1
  at::Tensor signs;   // [N] of -1 and 1
  at::Tensor shares;  // [N], sum 1
  at::Tensor ridge;   // [D + 1], 0 for the bias

  double Objective(const at::Tensor& w) const {
    const at::Tensor losses = at::softplus(-signs * inputs.mv(w));
    return ((losses * shares).sum(at::kDouble) + (ridge * w.square()).sum(at::kDouble) / 2)
        .item<double>();
  }
  at::Tensor Gradient(const at::Tensor& w) const {
    const at::Tensor slope = -signs * shares * at::sigmoid(-signs * inputs.mv(w));
    return inputs.t().mv(slope) + ridge * w;
  }
  at::Tensor Hessian(const at::Tensor& w) const {
    const at::Tensor p = at::sigmoid(inputs.mv(w));
    const at::Tensor curvature = (shares * p * (1 - p)).unsqueeze(1);
    return inputs.t().mm(inputs * curvature) + at::diag(ridge);
  }
};

// Keeps the bias's curvature from vanishing where the classes are far apart.
at::Tensor NewtonStep(const at::Tensor& hessian, const at::Tensor& gradient) {
  constexpr double kFloor = 1e-8;
  const at::Tensor matrix =
      hessian.to(at::kDouble) + kFloor * at::eye(hessian.size(0), at::kDouble);
  return at::linalg_solve(matrix, gradient.to(at::kDouble)).to(gradient.scalar_type());
}

}  // namespace

LogisticRegression FitLogisticRegression(const at::Tensor& inputs, const at::Tensor& labels,
                                         const at::Tensor& importance, double l2) {
  const at::NoGradGuard no_grad;
  const int64_t dimensions = inputs.size(1);
  Problem problem;
  problem.inputs = at::cat({inputs, at::ones({inputs.size(0), 1}, inputs.options())}, 1);
  problem.signs = labels.to(inputs.scalar_type()) * 2 - 1;
  problem.shares = importance / importance.sum();
  problem.ridge = at::full({dimensions + 1}, l2, inputs.options());
  problem.ridge[dimensions] = 0;

  at::Tensor w = at::zeros({dimensions + 1}, inputs.options());
  double objective = problem.Objective(w);
  for (int step = 0; step < kMostSteps; ++step) {
    const at::Tensor gradient = problem.Gradient(w);
    const at::Tensor direction = NewtonStep(problem.Hessian(w), gradient);
    const double decrement = gradient.dot(direction).item<double>();
    if (decrement < kDecrement) break;
    double length = 1, next = problem.Objective(w - direction);
    for (int i = 0; next > objective && i < kMostHalvings; ++i) {
      length /= 2;
      next = problem.Objective(w - direction * length);
    }
    if (next > objective) break;
    w = w - direction * length;
    objective = next;
  }
  return {w.narrow(0, 0, dimensions).clone(), w[dimensions].item<double>()};
}

}  // namespace acclimate::shift
