// Named tensors in and out of safetensors files (https://github.com/huggingface/safetensors).
#ifndef ACCLIMATE_CORE_IO_TENSOR_FILE_H_
#define ACCLIMATE_CORE_IO_TENSOR_FILE_H_

#include <map>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/io/mapped_file.h"

namespace acclimate::io {

struct TensorFile {
  std::map<std::string, at::Tensor> tensors;    // views of the mapping; each keeps it alive
  std::map<std::string, std::string> metadata;  // the header's __metadata__
};

// True when the bytes can only be meant as safetensors (a plausible header length, then '{').
bool LooksLikeSafetensors(const MappedFile& file);

// Reads the header strictly: INVALID_ARGUMENT names the tensor or the byte at fault (header longer
// than the file, offsets outside the file, overlaps, holes, size that contradicts the shape,
// unknown dtype, nesting).
absl::StatusOr<TensorFile> ReadSafetensors(std::shared_ptr<MappedFile> file);

// Writes atomically: to the side, fsync, rename. Tensors are made contiguous, on the CPU.
absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, at::Tensor>& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace acclimate::io

#endif  // ACCLIMATE_CORE_IO_TENSOR_FILE_H_
