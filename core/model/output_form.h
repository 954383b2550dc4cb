// What a model gives back where it is no classifier.
#ifndef ACCLIMATE_CORE_MODEL_OUTPUT_FORM_H_
#define ACCLIMATE_CORE_MODEL_OUTPUT_FORM_H_

#include <cstdint>
#include <stdexcept>
#include <string>

#include <ATen/core/Tensor.h>

namespace acclimate::model {

// Outputs that are no logits [N, C]. The message is one sentence, with what mends it.
class UnfitOutput : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// logits: as forward() returned them. classes: rows of the classifier layer; 0 when none was found.
// Throws UnfitOutput: class numbers instead of logits, one logit, a prediction for every place.
void CheckOutput(const at::Tensor& logits, int64_t classes);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_OUTPUT_FORM_H_
