#include "core/data/dataset_file.h"

#include <ATen/ATen.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/data/csr.h"
#include "core/data/npy.h"
#include "core/data/npz.h"
#include "core/io/tensor_file.h"

namespace acclimate::data {
namespace {

absl::StatusOr<io::TensorFile> ReadTensors(const std::shared_ptr<io::MappedFile>& file) {
  if (file->size() == 0) return absl::InvalidArgumentError(absl::StrCat(file->name(), ": empty"));
  if (LooksLikeNpz(file->bytes())) return ReadNpz(file);
  if (io::LooksLikeSafetensors(*file)) return io::ReadSafetensors(file);
  if (LooksLikeNpy(file->bytes())) {
    absl::StatusOr<at::Tensor> inputs = ReadNpy({file->data(), file->size(), file, file->name()});
    if (!inputs.ok()) return inputs.status();
    return io::TensorFile{{{"inputs", *std::move(inputs)}}, {}};
  }
  return absl::InvalidArgumentError(
      absl::StrCat(file->name(), ": neither safetensors, npz nor npy; begins with bytes ",
                   absl::BytesToHexString(file->bytes().substr(0, 8))));
}

at::Tensor Find(const io::TensorFile& file, const char* name) {
  auto found = file.tensors.find(name);
  return found == file.tensors.end() ? at::Tensor() : found->second;
}

}  // namespace

absl::StatusOr<StoredData> ReadStoredData(std::shared_ptr<io::MappedFile> file,
                                          const Fields& fields) {
  absl::StatusOr<io::TensorFile> tensors = ReadTensors(file);
  if (!tensors.ok()) return tensors.status();
  StoredData stored{Find(*tensors, "inputs"), Find(*tensors, "labels")};
  if (NeedPacking(fields)) {
    absl::StatusOr<at::Tensor> packed = Pack(tensors->tensors, fields, file->name());
    if (!packed.ok()) return packed.status();
    stored.inputs = *std::move(packed);
  }
  if (stored.inputs.defined()) return stored;
  if (!IsCsr(*tensors)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file->name(), ": there is no tensor \"inputs\""));
  }
  absl::StatusOr<at::Tensor> dense = DensifyCsr(*tensors, file->name());
  if (!dense.ok()) return dense.status();
  stored.inputs = *std::move(dense);
  return stored;
}

}  // namespace acclimate::data
