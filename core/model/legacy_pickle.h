// What torch.save wrote before PyTorch 1.6, and writes with _use_new_zipfile_serialization=False:
// five pickles in a row (a magic number, a version, the system, the object, the keys of its
// storages), then the elements of the storages, in the order of the keys.
#ifndef ACCLIMATE_CORE_MODEL_LEGACY_PICKLE_H_
#define ACCLIMATE_CORE_MODEL_LEGACY_PICKLE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/io/mapped_file.h"
#include "core/model/saved_state.h"

namespace acclimate::model {

// True when the bytes begin with the magic number.
bool LooksLikeLegacyPickle(const io::MappedFile& file);

// As ReadPickle() does it for the archives of today. INVALID_ARGUMENT names the byte at fault.
absl::StatusOr<SavedState> ReadLegacyPickle(const std::shared_ptr<io::MappedFile>& file);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_LEGACY_PICKLE_H_
