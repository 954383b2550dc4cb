#include "core/selection/validator.h"

#include <algorithm>
#include <cstring>

// One line a validator: the function that its file defines.
#define ACCLIMATE_VALIDATORS(X) \
  X(ClassAmiValidator)          \
  X(DevValidator)               \
  X(EntropyValidator)           \
  X(InformationValidator)       \
  X(MixValidator)               \
  X(NearestSourceValidator)     \
  X(NeighborhoodValidator)      \
  X(NuclearNormValidator)       \
  X(SilhouetteValidator)        \
  X(SourceAccuracyValidator)

namespace acclimate::selection {

#define ACCLIMATE_DECLARE(Name) Validator Name();
ACCLIMATE_VALIDATORS(ACCLIMATE_DECLARE)
#undef ACCLIMATE_DECLARE

const std::vector<Validator>& Validators() {
#define ACCLIMATE_CALL(Name) Name(),
  static const auto* const kValidators = [] {
    auto* validators = new std::vector<Validator>{ACCLIMATE_VALIDATORS(ACCLIMATE_CALL)};
    std::sort(validators->begin(), validators->end(), [](const Validator& a, const Validator& b) {
      return std::strcmp(a.name, b.name) < 0;
    });
    return validators;
  }();
#undef ACCLIMATE_CALL
  return *kValidators;
}

bool CanScore(const Validator& validator, const Sight& sight) {
  switch (validator.need) {
    case ValidatorNeed::kNothing:
      return true;
    case ValidatorNeed::kHeldOut:
      return sight.held_out.has_value();
    case ValidatorNeed::kMixtures:
      return sight.mixtures.has_value();
  }
  return false;
}

}  // namespace acclimate::selection
