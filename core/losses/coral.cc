#include "core/losses/coral.h"

#include <cmath>

#include <ATen/ATen.h>

namespace acclimate::losses {
namespace {

void CheckSamples(const at::Tensor& source, const at::Tensor& target) {
  TORCH_CHECK(source.dim() == 2 && target.dim() == 2 && source.size(1) == target.size(1),
              "DeepCoral: samples must be [n, D] and [m, D], got ", source.sizes(), " and ",
              target.sizes());
  TORCH_CHECK(source.size(0) >= 2 && target.size(0) >= 2,
              "DeepCoral: a covariance needs two samples a side, got ", source.size(0), " and ",
              target.size(0));
}

at::Tensor Centred(const at::Tensor& samples) { return samples - samples.mean(0, true); }

// Centred and scaled so that its self-product is the covariance.
at::Tensor Normalised(const at::Tensor& samples) {
  return Centred(samples) / std::sqrt(static_cast<double>(samples.size(0) - 1));
}

double Scale(const at::Tensor& source) {
  double features = static_cast<double>(source.size(1));
  return 1 / (4 * features * features);
}

}  // namespace

at::Tensor DeepCoralByCovariance(const at::Tensor& source, const at::Tensor& target) {
  CheckSamples(source, target);
  at::Tensor a = Normalised(source), b = Normalised(target);
  return (a.t().mm(a) - b.t().mm(b)).square().sum() * Scale(source);
}

at::Tensor DeepCoralByGram(const at::Tensor& source, const at::Tensor& target) {
  CheckSamples(source, target);
  at::Tensor a = Normalised(source), b = Normalised(target);
  at::Tensor within = a.mm(a.t()).square().sum() + b.mm(b.t()).square().sum();
  return (within - 2 * a.mm(b.t()).square().sum()) * Scale(source);
}

at::Tensor DeepCoral(const at::Tensor& source, const at::Tensor& target) {
  CheckSamples(source, target);
  double n = source.size(0), m = target.size(0), d = source.size(1);
  // Multiplications of the matrix products, each over the common factor D.
  double by_covariance = (n + m) * d, by_gram = n * n + m * m + n * m;
  return by_gram < by_covariance ? DeepCoralByGram(source, target)
                                 : DeepCoralByCovariance(source, target);
}

}  // namespace acclimate::losses
