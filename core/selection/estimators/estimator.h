// What the accuracy of a model on an unlabelled target may be, by one estimator. Adding one: a file
// that defines its Estimator, a line in estimator.cc, a test.
#ifndef ACCLIMATE_CORE_SELECTION_ESTIMATORS_ESTIMATOR_H_
#define ACCLIMATE_CORE_SELECTION_ESTIMATORS_ESTIMATOR_H_

#include <map>
#include <string>
#include <vector>

#include "core/selection/estimators/evidence.h"

namespace acclimate::selection {

struct Estimator {
  std::string name;
  Knowledge needs = Knowledge::kNothing;
  double (*estimate)(const Evidence& evidence) = nullptr;  // not always in [0, 1]
};

// In the order of their names.
const std::vector<Estimator>& Estimators();

struct Estimates {
  std::map<std::string, double> by_name;  // of each that needs no more than is known, in [0, 1]
  // Over those that know something of home; where none does, over all.
  double middle = 0;  // m: the median, or the mean of two
};

Estimates EstimatesOf(const Evidence& evidence);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_ESTIMATORS_ESTIMATOR_H_
