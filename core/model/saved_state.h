// The tensors of a state dict, and how the file that they came from names and stores them.
#ifndef ACCLIMATE_CORE_MODEL_SAVED_STATE_H_
#define ACCLIMATE_CORE_MODEL_SAVED_STATE_H_

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/model/stored_form.h"
#include "core/model/unpickler.h"

namespace acclimate::model {

struct SavedState {
  std::map<std::string, at::Tensor> tensors;
  StoredForm form;
  std::vector<std::string> warnings;
};

// The state dict in what was pickled. It may lie under any one key, or several, of nested
// dictionaries; of those that hold tensors, "state_dict", "model_state_dict" and "model" come
// first. INVALID_ARGUMENT: none, with the keys or the code (`refused`) that are there instead; or
// several to choose from. Both with the line of Python that mends it.
absl::StatusOr<SavedState> FindStateDict(const PickleValue& root,
                                         const std::map<std::string, int>& refused);

// Takes the prefix off that a wrapper (DataParallel, torch.compile, Lightning) has put in front of
// the names: what stands in front of the classifier weight "fc.weight". Tensors outside of it are
// dropped, with a warning. Leaves a state without that name as it is.
void TakePrefixOff(SavedState& state);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_SAVED_STATE_H_
