// Dis2: how far a linear critic can agree with the model at home and disagree with it on the target
// (Rosenfeld & Garg, "(Almost) Provable Error Bounds Under Distribution Shift via Disagreement
// Discrepancy", NeurIPS 2023). With h(x) the model's class and critics g on its logits,
//
//   minimise  mean_s CE(g(x_s), h(x_s)) + mean_t log(1 + exp(g_h(x_t) - mean_{c != h} g_c(x_t)))
//   D = max over critics of  agreement_s - agreement_t  on samples that they did not see
//   estimate = accuracy_s - D
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/selection/estimators/estimator.h"

namespace acclimate::selection {
namespace {

constexpr int64_t kCritics = 8;
constexpr int64_t kCriticSteps = 150;
constexpr int64_t kFirstLook = 50, kStepsBetweenLooks = 25;
constexpr int64_t kMostSamples = 500;  // of a domain, for training and for the look each
constexpr uint64_t kCriticSeed = 20230601;
constexpr double kCriticRate = 0.03, kCriticDecay = 5e-4;

// Logits [2, n, C + 1] of the model in single precision with a column of ones, and its classes.
struct Domain {
  at::Tensor training, looked_at;  // float [n, C + 1]
  at::Tensor training_classes, classes;
};

Domain Halved(const at::Tensor& logits, const at::Tensor& center, const at::Tensor& scale,
              at::Generator& random) {
  const int64_t half = std::min(logits.size(0) / 2, kMostSamples);
  const at::Tensor order = at::randperm(logits.size(0), random, at::kLong);
  const at::Tensor scaled = ((logits - center) / scale).to(at::kFloat);
  const at::Tensor inputs = at::cat({scaled, at::ones({scaled.size(0), 1})}, 1);
  const at::Tensor classes = logits.argmax(1);
  const at::Tensor first = order.slice(0, 0, half), second = order.slice(0, half, 2 * half);
  return {inputs.index_select(0, first), inputs.index_select(0, second),
          classes.index_select(0, first), classes.index_select(0, second)};
}

// g: [R, n, C], classes: [n] -> [R].
at::Tensor AgreementOf(const at::Tensor& g, const at::Tensor& classes) {
  return g.argmax(2).eq(classes).to(at::kDouble).mean(1);
}

double Discrepancy(const Evidence& evidence) {
  at::Generator random = at::detail::createCPUGenerator(kCriticSeed);
  const at::Tensor all = at::cat({evidence.held_out_logits, evidence.logits});
  const at::Tensor center = all.mean(0);
  const at::Tensor scale = (all - center).pow(2).mean().sqrt().clamp_min(1e-6);
  const Domain home = Halved(evidence.held_out_logits, center, scale, random);
  const Domain target = Halved(evidence.logits, center, scale, random);
  const int64_t classes = evidence.logits.size(1);
  const double others = static_cast<double>(std::max<int64_t>(classes - 1, 1));

  const at::Tensor home_hot = at::one_hot(home.training_classes, classes).to(at::kFloat);
  const at::Tensor target_hot = at::one_hot(target.training_classes, classes).to(at::kFloat);
  // d (g_h - mean_{c != h} g_c) / d g
  const at::Tensor direction = target_hot - (1 - target_hot) / others;
  at::Tensor weights = at::empty({kCritics, classes + 1, classes}).normal_(0, 0.1, random);
  at::Tensor mean = at::zeros_like(weights), square = at::zeros_like(weights);
  double largest = 0;
  for (int64_t step = 1; step <= kCriticSteps; ++step) {
    const at::Tensor home_slope = at::matmul(home.training, weights).softmax(2) - home_hot;
    const at::Tensor margin = (at::matmul(target.training, weights) * direction).sum(2, true);
    const at::Tensor target_slope = margin.sigmoid() * direction;
    const at::Tensor gradient =
        at::matmul(home.training.t(), home_slope) / static_cast<double>(home.training.size(0)) +
        at::matmul(target.training.t(), target_slope) /
            static_cast<double>(target.training.size(0));
    // AdamW.
    mean = 0.9 * mean + 0.1 * gradient;
    square = 0.999 * square + 0.001 * gradient * gradient;
    const double t = static_cast<double>(step);
    weights = weights * (1 - kCriticRate * kCriticDecay) -
              kCriticRate * (mean / (1 - std::pow(0.9, t))) /
                  ((square / (1 - std::pow(0.999, t))).sqrt() + 1e-8);
    if (step < kFirstLook || step % kStepsBetweenLooks != 0) continue;
    const at::Tensor gap = AgreementOf(at::matmul(home.looked_at, weights), home.classes) -
                           AgreementOf(at::matmul(target.looked_at, weights), target.classes);
    largest = std::max(largest, gap.max().item<double>());
  }
  return largest;
}

double CriticEstimate(const Evidence& evidence) {
  return evidence.home.accuracy - Discrepancy(evidence);
}

}  // namespace

Estimator Dis2() { return {"dis2", Knowledge::kHeldOut, &CriticEstimate}; }

}  // namespace acclimate::selection
