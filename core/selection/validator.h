// Label-free validators: scores of a model by what it says of the target; higher is better.
//
// Adding one: a file in validators/ that defines its Validator, a line in validator.cc, a test, a
// row in docs/selection.md.
#ifndef ACCLIMATE_CORE_SELECTION_VALIDATOR_H_
#define ACCLIMATE_CORE_SELECTION_VALIDATOR_H_

#include <string>
#include <vector>

#include "core/selection/sight.h"

namespace acclimate::selection {

// What a score asks for beside the target's predictions.
enum class ValidatorNeed {
  kNothing,
  kHeldOut,   // predictions on labelled source data that no model trained on
  kMixtures,  // predictions on mixed samples of the target
};

struct Validator {
  const char* name;
  ValidatorNeed need;
  // Of a sight that has what is needed; may be NaN where it says nothing.
  double (*score)(const Sight& sight);
};

// In the order of their names.
const std::vector<Validator>& Validators();

// True where `sight` has what the validator needs.
bool CanScore(const Validator& validator, const Sight& sight);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_VALIDATOR_H_
