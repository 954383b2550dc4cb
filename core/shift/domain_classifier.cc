#include "core/shift/domain_classifier.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "core/shift/logistic_regression.h"
#include "core/shift/standardization.h"

namespace acclimate::shift {
namespace {

// Of a mean loss over standardised coordinates: about what C = 1 of other libraries is for the
// thousand samples of a half.
constexpr double kL2 = 0.001;

struct Halves {
  at::Tensor first, second;  // int64, of the rows
};

Halves RandomHalves(int64_t rows, at::Generator generator) {
  const at::Tensor order = at::randperm(rows, generator, at::TensorOptions(at::kLong));
  const int64_t half = rows / 2;
  return {order.narrow(0, 0, half), order.narrow(0, half, rows - half)};
}

LogisticRegression Fit(const at::Tensor& source, const at::Tensor& target) {
  const double n = source.size(0), m = target.size(0);
  const at::Tensor labels = at::cat({at::zeros({source.size(0)}), at::ones({target.size(0)})});
  const at::Tensor importance = at::cat({at::full({source.size(0)}, 1 / n, source.options()),
                                         at::full({target.size(0)}, 1 / m, source.options())});
  return FitLogisticRegression(at::cat({source, target}), labels, importance, kL2);
}

}  // namespace

DomainClassification ClassifyDomains(const at::Tensor& source, const at::Tensor& target,
                                     at::Generator generator, const at::Tensor& more) {
  TORCH_CHECK(source.dim() == 2 && target.dim() == 2 && source.size(1) == target.size(1),
              "ClassifyDomains: samples must be [n, D] and [m, D], got ", source.sizes(), " and ",
              target.sizes());
  TORCH_CHECK(source.size(0) >= 2 && target.size(0) >= 2, "ClassifyDomains: needs 2 rows a side");
  const at::NoGradGuard no_grad;
  const Scale scale = CommonScale(source, target);
  const at::Tensor x = scale.Apply(source), y = scale.Apply(target);
  Halves of_source = RandomHalves(x.size(0), generator);
  Halves of_target = RandomHalves(y.size(0), generator);
  DomainClassification result;
  result.source_log_odds = at::empty({x.size(0)}, x.options());
  result.target_log_odds = at::empty({y.size(0)}, y.options());
  if (more.defined()) result.more_log_odds = at::zeros({more.size(0)}, x.options());
  for (int fold = 0; fold < 2; ++fold) {
    const LogisticRegression classifier =
        Fit(x.index_select(0, of_source.first), y.index_select(0, of_target.first));
    result.source_log_odds.index_copy_(0, of_source.second,
                                       classifier.LogOdds(x.index_select(0, of_source.second)));
    result.target_log_odds.index_copy_(0, of_target.second,
                                       classifier.LogOdds(y.index_select(0, of_target.second)));
    if (more.defined()) result.more_log_odds += classifier.LogOdds(scale.Apply(more)) / 2;
    std::swap(of_source.first, of_source.second);
    std::swap(of_target.first, of_target.second);
  }
  const double taken_for_target =
      result.source_log_odds.gt(0).to(at::kDouble).mean().item<double>();
  const double taken_for_source =
      result.target_log_odds.le(0).to(at::kDouble).mean().item<double>();
  result.error = (taken_for_target + taken_for_source) / 2;
  return result;
}

double ProxyADistance(double error) { return 2 * (1 - 2 * std::min(error, 1 - error)); }

}  // namespace acclimate::shift
