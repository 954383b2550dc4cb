// A dataset's tensors out of a file, whatever its format.
#ifndef ACCLIMATE_CORE_DATA_DATASET_FILE_H_
#define ACCLIMATE_CORE_DATA_DATASET_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/data/fields.h"
#include "core/io/mapped_file.h"

namespace acclimate::data {

struct StoredData {
  at::Tensor inputs;  // [N, ...]
  at::Tensor labels;  // [N], or undefined
  // By class, where the file has names: texts for labels, or a list of its own (an array of texts
  // in npz, a JSON list in the metadata of safetensors) as "class_names".
  std::vector<std::string> class_names;
  // Why there are no labels: what the file has instead. Empty when it has nothing else.
  std::string labels_hint;
};

// Recognises safetensors, npz and npy by their bytes; CSR data is densified. The contents of the
// tensors are not checked yet, but those of fields that need packing: Dataset::FromTensors does
// that.
absl::StatusOr<StoredData> ReadStoredData(std::shared_ptr<io::MappedFile> file,
                                          const Fields& fields = {});

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_DATASET_FILE_H_
