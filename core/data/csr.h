// Sparse features in compressed-row form: row i holds values[indptr[i]:indptr[i+1]] in the columns
// indices[indptr[i]:indptr[i+1]], zero elsewhere.
#ifndef ACCLIMATE_CORE_DATA_CSR_H_
#define ACCLIMATE_CORE_DATA_CSR_H_

#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/io/tensor_file.h"

namespace acclimate::data {

// Whether the file has the tensors `values`, `indices` and `indptr`.
bool IsCsr(const io::TensorFile& file);

// -> float32 [N, columns]. The number of columns is the metadata `columns`, else the second number
// of the metadata `shape` ("2000x5000"), else the largest index + 1. A column given twice in a row
// counts as the sum. INVALID_ARGUMENT names the tensor and the index at fault.
absl::StatusOr<at::Tensor> DensifyCsr(const io::TensorFile& file, const std::string& name);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_CSR_H_
