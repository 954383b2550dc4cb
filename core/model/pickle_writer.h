// State dicts out, as Python's torch.save writes them.
#ifndef ACCLIMATE_CORE_MODEL_PICKLE_WRITER_H_
#define ACCLIMATE_CORE_MODEL_PICKLE_WRITER_H_

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"

namespace acclimate::model {

// A zip archive that torch.load (weights_only too) opens to {name: tensor}, under `keys` of nested
// dictionaries. Written atomically.
absl::Status WritePickle(const std::string& path, const std::map<std::string, at::Tensor>& state,
                         const std::vector<std::string>& keys = {});

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_PICKLE_WRITER_H_
