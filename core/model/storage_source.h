// Where the elements of pickled tensors come from.
#ifndef ACCLIMATE_CORE_MODEL_STORAGE_SOURCE_H_
#define ACCLIMATE_CORE_MODEL_STORAGE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/io/mapped_file.h"

namespace acclimate::model {

class StorageSource {
 public:
  virtual ~StorageSource() = default;
  // The elements of the storage `key`, [elements]; undefined where only the form of the pickle is
  // asked for. INVALID_ARGUMENT: there is none, or it has another size.
  virtual absl::StatusOr<at::Tensor> Storage(const std::string& key, at::ScalarType type,
                                             int64_t elements) = 0;
};

// `bytes`, which lie in `file`, as a tensor of that type: a view that keeps the file mapped, a copy
// where they are not aligned. INVALID_ARGUMENT: another number of elements.
absl::StatusOr<at::Tensor> StorageOf(absl::string_view bytes, const std::string& key,
                                     at::ScalarType type, int64_t elements,
                                     std::shared_ptr<io::MappedFile> file);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_STORAGE_SOURCE_H_
