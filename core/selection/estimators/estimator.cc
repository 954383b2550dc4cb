#include "core/selection/estimators/estimator.h"

#include <algorithm>
#include <numeric>

// One line an estimator: the function that its file defines.
#define ACCLIMATE_ESTIMATORS(X) \
  X(Atc)                        \
  X(Confidence)                 \
  X(Cot)                        \
  X(Dis2)

namespace acclimate::selection {

#define ACCLIMATE_DECLARE(Name) Estimator Name();
ACCLIMATE_ESTIMATORS(ACCLIMATE_DECLARE)
#undef ACCLIMATE_DECLARE

const std::vector<Estimator>& Estimators() {
#define ACCLIMATE_CALL(Name) Name(),
  static const auto* const kEstimators =
      new std::vector<Estimator>{ACCLIMATE_ESTIMATORS(ACCLIMATE_CALL)};
#undef ACCLIMATE_CALL
  return *kEstimators;
}

Estimates EstimatesOf(const Evidence& evidence) {
  Estimates estimates;
  std::vector<double> all, with_home;
  for (const Estimator& estimator : Estimators()) {
    if (estimator.needs > evidence.knowledge) continue;
    const double value = std::clamp(estimator.estimate(evidence), 0.0, 1.0);
    estimates.by_name[estimator.name] = value;
    all.push_back(value);
    if (estimator.needs > Knowledge::kNothing) with_home.push_back(value);
  }
  const std::vector<double>& averaged = with_home.empty() ? all : with_home;
  estimates.mean =
      std::accumulate(averaged.begin(), averaged.end(), 0.0) / static_cast<double>(averaged.size());
  const auto [least, most] = std::minmax_element(averaged.begin(), averaged.end());
  estimates.spread = *most - *least;
  return estimates;
}

}  // namespace acclimate::selection
