// What Acclimate has recorded in a checkpoint, read without building its model.
#ifndef ACCLIMATE_CORE_MODEL_CHECKPOINT_METADATA_H_
#define ACCLIMATE_CORE_MODEL_CHECKPOINT_METADATA_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/io/mapped_file.h"

namespace acclimate::model {

// The model's metadata() once it is loaded. Empty where nothing is recorded, and for a file that is
// no checkpoint: loading it says what is wrong. INVALID_ARGUMENT: a damaged archive, or a record
// that is no JSON object of texts.
absl::StatusOr<std::map<std::string, std::string>> ReadCheckpointMetadata(
    const std::shared_ptr<io::MappedFile>& file);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_CHECKPOINT_METADATA_H_
