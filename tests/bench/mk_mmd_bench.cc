// The fused MK-MMD against the broadcast form, forward and backward, and its memory: one JSON line.
// Argument: the number of threads (1).
#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "core/losses/mk_mmd.h"
#include "core/runtime/blas.h"

namespace {

using acclimate::losses::MkMmd;
using acclimate::losses::MkMmdOptions;

struct Evaluation {
  double value, seconds;
  at::Tensor source_gradient, target_gradient;
};

// As libraries write it: every pair's difference, [N, N, D].
at::Tensor BroadcastMkMmd(const at::Tensor& source, const at::Tensor& target) {
  int64_t n = source.size(0), m = target.size(0);
  at::Tensor all = at::cat({source, target});
  at::Tensor distances = (all.unsqueeze(0) - all.unsqueeze(1)).pow(2).sum(2);
  at::Tensor mean = distances.detach().mean();
  at::Tensor kernel = at::zeros_like(distances);
  for (double multiplier : MkMmdOptions().bandwidth_multipliers) {
    kernel = kernel + (-distances / (2 * multiplier * mean)).exp();
  }
  return kernel.slice(0, 0, n).slice(1, 0, n).mean() +
         kernel.slice(0, n, n + m).slice(1, n, n + m).mean() -
         2 * kernel.slice(0, 0, n).slice(1, n, n + m).mean();
}

template <typename Loss>
Evaluation Evaluate(const at::Tensor& source, const at::Tensor& target, const Loss& loss) {
  at::Tensor x = source.clone().requires_grad_(), y = target.clone().requires_grad_();
  auto begin = std::chrono::steady_clock::now();
  at::Tensor value = loss(x, y);
  value.backward();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return {value.item<double>(), seconds, x.grad(), y.grad()};
}

// The best of `rounds`: what the code costs without its neighbours on the machine.
template <typename Loss>
double BestSeconds(const at::Tensor& source, const at::Tensor& target, int rounds,
                   const Loss& loss) {
  double best = 1e9;
  for (int i = 0; i < rounds; ++i) best = std::min(best, Evaluate(source, target, loss).seconds);
  return best;
}

double RelativeDifference(const at::Tensor& value, const at::Tensor& reference) {
  return ((value - reference).abs().max() / reference.abs().max()).item<double>();
}

// The process's peak resident memory (VmHWM), since the last reset.
double PeakMebibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::atof(line.c_str() + 6) / 1024;
  }
  return 0;
}

double MebibytesAboveInputs(int64_t rows, int64_t features) {
  at::Tensor source = at::randn({rows, features}).requires_grad_();
  at::Tensor target = at::randn({rows, features}).add_(0.1).requires_grad_();
  std::ofstream("/proc/self/clear_refs") << 5;  // VmHWM starts again from what is resident now
  double before = PeakMebibytes();
  MkMmd(source, target).backward();
  return PeakMebibytes() - before;
}

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  acclimate::runtime::ConfigureThreads(threads);
  at::manual_seed(1);
  double mebibytes = MebibytesAboveInputs(2048, 2048);

  at::Tensor source = at::randn({128, 2048}), target = at::randn({128, 2048}).add_(0.1);
  auto fused = [](const at::Tensor& x, const at::Tensor& y) { return MkMmd(x, y); };
  double fused_seconds = BestSeconds(source, target, 30, fused);
  double broadcast_seconds = BestSeconds(source, target, 3, BroadcastMkMmd);

  // In double, where the broadcast form is exact enough to be the reference.
  Evaluation reference = Evaluate(source.to(at::kDouble), target.to(at::kDouble), BroadcastMkMmd);
  auto difference = [&](const Evaluation& evaluation) {
    return std::max(RelativeDifference(evaluation.source_gradient, reference.source_gradient),
                    RelativeDifference(evaluation.target_gradient, reference.target_gradient));
  };
  auto value_difference = [&](const Evaluation& evaluation) {
    return std::abs(evaluation.value / reference.value - 1);
  };
  Evaluation single = Evaluate(source, target, fused);
  Evaluation broadcast = Evaluate(source, target, BroadcastMkMmd);
  Evaluation exact = Evaluate(source.to(at::kDouble), target.to(at::kDouble), fused);
  std::printf(
      "{\"benchmark\": \"mk_mmd\", \"threads\": %d, \"fused_ms\": %.3f, \"broadcast_ms\": %.1f, "
      "\"ratio\": %.0f, \"value_difference\": %.1e, \"gradient_difference\": %.1e, "
      "\"broadcast_value_difference\": %.1e, \"broadcast_gradient_difference\": %.1e, "
      "\"value_difference_double\": %.1e, \"gradient_difference_double\": %.1e, "
      "\"mebibytes_above_inputs_2048\": %.0f}\n",
      threads, fused_seconds * 1e3, broadcast_seconds * 1e3, broadcast_seconds / fused_seconds,
      value_difference(single), difference(single), value_difference(broadcast),
      difference(broadcast), value_difference(exact), difference(exact), mebibytes);
  return 0;
}
