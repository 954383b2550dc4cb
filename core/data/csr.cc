#include "core/data/csr.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/data/bad_data.h"

namespace acclimate::data {
namespace {

constexpr int64_t kMostDenseBytes = int64_t{16} << 30;  // 16 GiB: dense is not the form beyond it

// The number of columns that the metadata states; 0 when it states none.
absl::StatusOr<int64_t> StatedColumns(const io::TensorFile& file, const std::string& name) {
  auto columns = file.metadata.find("columns"), shape = file.metadata.find("shape");
  absl::string_view text;
  if (columns != file.metadata.end()) {
    text = columns->second;
  } else if (shape != file.metadata.end()) {
    std::vector<absl::string_view> extents = absl::StrSplit(shape->second, 'x');
    text = extents.size() == 2 ? extents[1] : "";
  } else {
    return 0;
  }
  int64_t count = 0;
  if (!absl::SimpleAtoi(text, &count) || count <= 0) {
    return BadData(name, "the metadata states no number of columns: \"", text, "\"");
  }
  return count;
}

absl::Status CheckParts(const at::Tensor& values, const at::Tensor& indices,
                        const at::Tensor& indptr, const std::string& name) {
  for (const auto& [part, tensor] : {std::pair("values", &values), std::pair("indices", &indices),
                                     std::pair("indptr", &indptr)}) {
    if (tensor->dim() != 1)
      return BadData(name, part, " has ", tensor->dim(), " dimensions, not one");
  }
  for (const auto& [part, tensor] :
       {std::pair("indices", &indices), std::pair("indptr", &indptr)}) {
    if (!c10::isIntegralType(tensor->scalar_type(), /*includeBool=*/false)) {
      return BadData(name, part, " has dtype ", c10::toString(tensor->scalar_type()),
                     ", but must be an integer type");
    }
  }
  if (indptr.numel() < 2) return BadData(name, "indptr holds no samples");
  if (values.numel() != indices.numel()) {
    return BadData(name, "values has ", values.numel(), " entries, indices ", indices.numel());
  }
  return absl::OkStatus();
}

absl::Status CheckPointers(const at::Tensor& indptr, int64_t entries, const std::string& name) {
  const int64_t* pointer = indptr.data_ptr<int64_t>();
  int64_t rows = indptr.numel() - 1;
  for (int64_t i = 0; i < rows; ++i) {
    if (pointer[i] < 0 || pointer[i] > pointer[i + 1]) {
      return BadData(name, "indptr decreases after index ", i);
    }
  }
  if (pointer[0] != 0 || pointer[rows] != entries) {
    return BadData(name, "indptr runs from ", pointer[0], " to ", pointer[rows], ", but there are ",
                   entries, " values");
  }
  return absl::OkStatus();
}

absl::Status CheckColumns(const at::Tensor& indices, int64_t columns, const std::string& name) {
  const int64_t* index = indices.data_ptr<int64_t>();
  for (int64_t i = 0; i < indices.numel(); ++i) {
    if (index[i] < 0 || index[i] >= columns) {
      return BadData(name, "indices[", i, "] is ", index[i], ", outside the ", columns, " columns");
    }
  }
  return absl::OkStatus();
}

at::Tensor Scatter(const at::Tensor& values, const at::Tensor& indices, const at::Tensor& indptr,
                   int64_t columns) {
  int64_t rows = indptr.numel() - 1;
  at::Tensor dense = at::zeros({rows, columns}, at::kFloat);
  const float* value = values.data_ptr<float>();
  const int64_t *index = indices.data_ptr<int64_t>(), *pointer = indptr.data_ptr<int64_t>();
  float* row = dense.data_ptr<float>();
  for (int64_t i = 0; i < rows; ++i, row += columns) {
    for (int64_t j = pointer[i]; j < pointer[i + 1]; ++j) row[index[j]] += value[j];
  }
  return dense;
}

}  // namespace

bool IsCsr(const io::TensorFile& file) {
  return file.tensors.count("values") && file.tensors.count("indices") &&
         file.tensors.count("indptr");
}

absl::StatusOr<at::Tensor> DensifyCsr(const io::TensorFile& file, const std::string& name) {
  at::Tensor values = file.tensors.at("values"), indices = file.tensors.at("indices"),
             indptr = file.tensors.at("indptr");
  absl::Status status = CheckParts(values, indices, indptr, name);
  if (!status.ok()) return status;
  indices = indices.to(at::kLong).contiguous();
  indptr = indptr.to(at::kLong).contiguous();
  status.Update(CheckPointers(indptr, values.numel(), name));
  absl::StatusOr<int64_t> columns = StatedColumns(file, name);
  status.Update(columns.status());
  if (!status.ok()) return status;
  if (*columns == 0 && indices.numel() == 0) *columns = 1;
  if (*columns == 0) {
    constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
    *columns = std::min(indices.max().item<int64_t>(), kLargest - 1) + 1;
  }
  status.Update(CheckColumns(indices, *columns, name));
  if (!status.ok()) return status;
  int64_t bytes;
  if (__builtin_mul_overflow(*columns, (indptr.numel() - 1) * int64_t{sizeof(float)}, &bytes) ||
      bytes > kMostDenseBytes) {
    return BadData(name, "dense, ", indptr.numel() - 1, " x ", *columns, " float32 are too large");
  }
  return Scatter(values.to(at::kFloat).contiguous(), indices, indptr, *columns);
}

}  // namespace acclimate::data
