// The built-in architectures, with torchvision's parameter names where it has them.
#ifndef ACCLIMATE_CORE_MODEL_ARCHITECTURES_H_
#define ACCLIMATE_CORE_MODEL_ARCHITECTURES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/model.h"
#include "core/model/stored_form.h"

namespace acclimate::model {

struct ArchitectureOptions {
  std::string name;                   // one of ArchitectureNames()
  std::vector<int64_t> sample_shape;  // of one sample, without N
  int64_t num_classes = 0;
};

// The names that BuildArchitecture takes, sorted.
const std::vector<std::string>& ArchitectureNames();

// Freshly initialised from the default CPU generator (seed it first). INVALID_ARGUMENT: unknown
// name (the known ones listed), a shape it cannot take, fewer than two classes. `form` is what the
// model will be saved in: a state dict, as safetensors or as .pth, with the names and types of
// `stored`. `warnings`: of whoever read the state dict.
absl::StatusOr<std::unique_ptr<Model>> BuildArchitecture(
    const ArchitectureOptions& options, CheckpointForm form = CheckpointForm::kSafetensors,
    StoredForm stored = {}, std::vector<std::string> warnings = {});

// The architectures whose tensors have the names of this state dict.
std::vector<std::string> ArchitecturesNamed(const std::map<std::string, at::Tensor>& state);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_ARCHITECTURES_H_
