#include "core/model/storage_source.h"

#include <ATen/ATen.h>

#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace acclimate::model {

absl::StatusOr<at::Tensor> StorageOf(absl::string_view bytes, const std::string& key,
                                     at::ScalarType type, int64_t elements,
                                     std::shared_ptr<io::MappedFile> file) {
  const uint64_t size = c10::elementSize(type), there = bytes.size() / size;
  if (there * size != bytes.size() || static_cast<uint64_t>(elements) != there) {
    return absl::InvalidArgumentError(absl::StrCat("storage ", key, " claims ", elements,
                                                   " elements, its record has ", bytes.size(),
                                                   " bytes"));
  }
  void* data = const_cast<char*>(bytes.data());
  at::Tensor storage = at::from_blob(
      data, {elements}, [file = std::move(file)](void*) {}, at::TensorOptions(type));
  // Python's writer aligns records to 64 bytes; another may not.
  if (reinterpret_cast<uintptr_t>(data) % size == 0) return storage;
  at::Tensor copy = at::empty_like(storage);
  std::memcpy(copy.data_ptr(), data, bytes.size());
  return copy;
}

}  // namespace acclimate::model
