#include "core/selection/estimators/estimator.h"

#include <algorithm>

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
  std::vector<double>& heard = with_home.empty() ? all : with_home;
  std::sort(heard.begin(), heard.end());
  const size_t half = heard.size() / 2;
  estimates.middle = heard.size() % 2 == 1 ? heard[half] : (heard[half - 1] + heard[half]) / 2;
  return estimates;
}

}  // namespace acclimate::selection
