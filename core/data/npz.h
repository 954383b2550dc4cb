// Several arrays in NumPy's .npz format: a zip archive of .npy members, stored or deflated.
#ifndef ACCLIMATE_CORE_DATA_NPZ_H_
#define ACCLIMATE_CORE_DATA_NPZ_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/data/fields.h"
#include "core/io/mapped_file.h"
#include "core/io/tensor_file.h"

namespace acclimate::data {

bool LooksLikeNpz(absl::string_view bytes);

struct NpzFile : io::TensorFile {
  std::vector<std::string> others;  // arrays that were left alone
};

// Reads the members that a dataset can have (inputs, labels, class_names, values, indices, indptr,
// and the fields) and leaves the others alone. Stored members stay mapped. Texts become the
// metadata `class_names`, a JSON list: those of class_names, or those of labels, which then are
// their numbers. INVALID_ARGUMENT names every member at fault, and what is wrong: truncated,
// damaged (CRC-32), encrypted, another compression, larger than deflate can make it, zip64 (beyond
// 4 GiB safetensors is the format to use), a dtype that is not read.
absl::StatusOr<NpzFile> ReadNpz(const std::shared_ptr<io::MappedFile>& file,
                                const Fields& fields = {});

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_NPZ_H_
