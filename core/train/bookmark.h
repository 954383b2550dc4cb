// Model, task and random numbers as they were when it was made: to look ahead and come back.
#ifndef ACCLIMATE_CORE_TRAIN_BOOKMARK_H_
#define ACCLIMATE_CORE_TRAIN_BOOKMARK_H_

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "core/model/model.h"
#include "core/train/task.h"
#include "core/train/training_state.h"

namespace acclimate::train {

class Bookmark {
 public:
  // Model and task outlive it.
  Bookmark(model::Model& model, Task& task, const at::Device& device);

  absl::Status Return() const;
  const TensorMap& model() const { return tensors_; }
  const TensorMap& task() const { return state_; }

 private:
  model::Model& model_;
  Task& task_;
  const at::Device device_;
  const TensorMap tensors_, state_;
  const std::map<std::string, at::Tensor> generators_;
};

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_BOOKMARK_H_
