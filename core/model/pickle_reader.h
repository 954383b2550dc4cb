// State dicts in: the tensors of a torch.save file, read without executing anything.
#ifndef ACCLIMATE_CORE_MODEL_PICKLE_READER_H_
#define ACCLIMATE_CORE_MODEL_PICKLE_READER_H_

#include "absl/status/statusor.h"
#include "core/model/saved_state.h"
#include "core/model/torch_archive.h"

namespace acclimate::model {

// The state dict in the archive, as FindStateDict() finds it. Its tensors are views of the mapping
// where their alignment allows. Nothing in the pickle is called: the few globals that describe
// tensors are interpreted, every other object becomes an opaque value that is skipped.
// INVALID_ARGUMENT names the byte of data.pkl at fault, or says that no tensors were found and what
// was there.
absl::StatusOr<SavedState> ReadPickle(const TorchArchive& archive);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_PICKLE_READER_H_
