// Named tensors in and out of safetensors files (https://github.com/huggingface/safetensors).
#ifndef ACCLIMATE_CORE_IO_TENSOR_FILE_H_
#define ACCLIMATE_CORE_IO_TENSOR_FILE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/io/atomic_file.h"
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

// Writes a file whose tensors need not be in memory at once: announced first, then appended part by
// part in that order. Atomic as WriteSafetensors(). Not thread-safe.
//
//   auto writer = TensorFileWriter::Create("p.safetensors", {{"p", at::kFloat, {n, c}}}, {});
//   for (...) writer->Append(rows);  // [b, c]; the b of all parts add up to n
//   writer->Commit();
class TensorFileWriter {
 public:
  struct Announced {
    std::string name;
    at::ScalarType type;
    std::vector<int64_t> shape;
  };

  // INVALID_ARGUMENT: safetensors has no such type, or a name is not UTF-8.
  static absl::StatusOr<TensorFileWriter> Create(
      const std::string& path, const std::vector<Announced>& tensors,
      const std::map<std::string, std::string>& metadata);

  // The elements that follow those already written; of the type announced for their place.
  absl::Status Append(const at::Tensor& part);
  // INTERNAL unless every element was appended.
  absl::Status Commit();

 private:
  struct Section {
    at::ScalarType type;
    uint64_t bytes_left;
  };

  TensorFileWriter(AtomicFile file, std::vector<Section> sections)
      : file_(std::move(file)), sections_(std::move(sections)) {}

  AtomicFile file_;
  std::vector<Section> sections_;
  size_t current_ = 0;  // the section that the next part belongs to
};

}  // namespace acclimate::io

#endif  // ACCLIMATE_CORE_IO_TENSOR_FILE_H_
