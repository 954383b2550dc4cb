// State dicts: named tensors copied into a model's own.
#ifndef ACCLIMATE_CORE_MODEL_STATE_DICT_H_
#define ACCLIMATE_CORE_MODEL_STATE_DICT_H_

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"

namespace acclimate::model {

// Copies `from` into the tensors of `into`, in place; all or nothing. INVALID_ARGUMENT names each
// missing, unexpected or misshapen tensor. Counters named num_batches_tracked may be missing: old
// files lack them.
absl::Status CopyState(const std::map<std::string, at::Tensor>& from,
                       const std::map<std::string, at::Tensor>& into);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_STATE_DICT_H_
