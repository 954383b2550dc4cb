// The artifact of a continual job: what the next one takes on.
#ifndef ACCLIMATE_CORE_METHODS_CONTINUAL_CONTINUAL_MEMORY_H_
#define ACCLIMATE_CORE_METHODS_CONTINUAL_CONTINUAL_MEMORY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/data/dataset.h"
#include "core/io/mapped_file.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

struct ContinualMemory {
  absl::optional<data::Dataset> replay;   // samples of earlier tasks, labelled
  at::Tensor replay_logits;               // float32 [size of replay, C]
  int64_t seen = 0;                       // samples that were offered to the replay memory
  std::vector<data::Dataset> evaluation;  // the held-out part of every task, in order
  at::Tensor accuracy;                    // double [T, T], as in accuracy_matrix.h
  train::TensorMap fisher, anchor;        // of EWC, by parameter; empty otherwise
};

// The file's tensors: replay/{inputs, labels, logits, seen}, evaluation/<task>/{inputs, labels},
// accuracy, fisher/<parameter>, anchor/<parameter>. `replay` holds what ReplayMemory::Contents()
// gives.
train::TensorMap ToTensors(const train::TensorMap& replay,
                           const std::vector<const data::Dataset*>& evaluation,
                           const at::Tensor& accuracy, const train::TensorMap& fisher,
                           const train::TensorMap& anchor);

// Datasets are normalised as `like`. INVALID_ARGUMENT says what does not fit: another shape of
// samples, another number of classes, a damaged file.
absl::StatusOr<ContinualMemory> ReadContinualMemory(std::shared_ptr<io::MappedFile> file,
                                                    const data::Dataset& like, int64_t classes);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_CONTINUAL_CONTINUAL_MEMORY_H_
