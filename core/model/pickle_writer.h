// State dicts out, as Python's torch.save writes them.
#ifndef ACCLIMATE_CORE_MODEL_PICKLE_WRITER_H_
#define ACCLIMATE_CORE_MODEL_PICKLE_WRITER_H_

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"

namespace acclimate::model {

// A zip archive that torch.load (weights_only too) opens to {name: tensor}. Written atomically.
absl::Status WritePickle(const std::string& path, const std::map<std::string, at::Tensor>& state);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_PICKLE_WRITER_H_
