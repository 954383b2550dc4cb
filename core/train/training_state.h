// What a stopped run needs to go on as if it had never stopped, as one safetensors file.
#ifndef ACCLIMATE_CORE_TRAIN_TRAINING_STATE_H_
#define ACCLIMATE_CORE_TRAIN_TRAINING_STATE_H_

#include <map>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/io/mapped_file.h"

namespace acclimate::train {

using TensorMap = std::map<std::string, at::Tensor>;

// Every part of a run adds its tensors under its own prefix ("model/", "optimizer/", "method/",
// "target_sampler/", ...); numbers are tensors without dimensions. `notes` say whose state it is.
struct TrainingState {
  TensorMap tensors;
  std::map<std::string, std::string> notes;

  void Add(absl::string_view prefix, const TensorMap& part);
  // The tensors below `prefix`, without it.
  TensorMap Part(absl::string_view prefix) const;
};

// The single value of tensors[name]. INVALID_ARGUMENT: missing, or not one number.
absl::StatusOr<int64_t> IntegerIn(const TensorMap& tensors, const std::string& name);

// Copies into each of `own` the tensor of its name in `state`; the others there are left alone.
// INVALID_ARGUMENT names the first that is missing or misshapen.
absl::Status CopyInto(const TensorMap& own, const TensorMap& state);

absl::Status WriteTrainingState(const std::string& path, const TrainingState& state);
// INVALID_ARGUMENT: damaged, or not a training state.
absl::StatusOr<TrainingState> ReadTrainingState(std::shared_ptr<io::MappedFile> file);

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_TRAINING_STATE_H_
