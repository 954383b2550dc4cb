#include "core/train/bookmark.h"

#include <ATen/ATen.h>

#include "core/runtime/random.h"
#include "core/train/tensor_maps.h"

namespace acclimate::train {

Bookmark::Bookmark(model::Model& model, Task& task, const at::Device& device)
    : model_(model),
      task_(task),
      device_(device),
      tensors_(Copies(model.StateDict())),
      state_(Copies(task.State())),
      generators_(runtime::GeneratorStates(device)) {}

absl::Status Bookmark::Return() const {
  absl::Status status = model_.LoadStateDict(tensors_);
  status.Update(task_.Restore(state_));
  status.Update(runtime::RestoreGenerators(generators_, device_));
  return status;
}

}  // namespace acclimate::train
