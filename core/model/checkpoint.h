// Checkpoints in: TorchScript, programs of torch.export (.pt2), safetensors state dicts, and .pth
// state dicts. The last three are read without executing anything.
#ifndef ACCLIMATE_CORE_MODEL_CHECKPOINT_H_
#define ACCLIMATE_CORE_MODEL_CHECKPOINT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/io/mapped_file.h"
#include "core/model/model.h"

namespace acclimate::model {

struct LoadOptions {
  // For a state dict: the built-in architecture it belongs to. A safetensors file written by
  // Acclimate names it in its metadata and needs none.
  std::string architecture;
  // Of one sample, without N: [1, 28, 28]. One forward pass over zeros of this shape proves that
  // the model takes it.
  std::vector<int64_t> sample_shape;
  // Take a model in which no classifier layer is found: its logits stand for its features, and it
  // can only be evaluated.
  bool logits_only = false;
};

// Recognises the form by the file's bytes, not by its name. INVALID_ARGUMENT says what is wrong and
// where: truncated archive, damaged record (CRC), denied operator, no classifier layer found,
// state dict that does not fit the architecture (each tensor named), input shape refused (expected
// and given shapes named).
absl::StatusOr<std::unique_ptr<Model>> LoadCheckpoint(std::shared_ptr<io::MappedFile> file,
                                                      const LoadOptions& options);

// What the model in the file takes, without its programs: a built-in architecture takes one tensor
// of floats. INVALID_ARGUMENT as LoadCheckpoint().
absl::StatusOr<std::vector<ModelInput>> ReadModelInputs(std::shared_ptr<io::MappedFile> file);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_CHECKPOINT_H_
