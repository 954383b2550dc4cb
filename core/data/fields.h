// What a model takes of a data file: one tensor of numbers, or several by name, token ids among
// them.
#ifndef ACCLIMATE_CORE_DATA_FIELDS_H_
#define ACCLIMATE_CORE_DATA_FIELDS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"

namespace acclimate::data {

struct Field {
  std::string name;  // "attention_mask"; the first may be called "inputs" in the file
  // Token ids and masks: whole numbers from 0, neither scaled nor normalised.
  bool whole_numbers = false;
  int64_t limit = 0;  // of whole numbers, the first that is too large; 0: not known
};

// In the order in which the model takes them. Empty: one of numbers, called "inputs".
using Fields = std::vector<Field>;

// Whether Pack() is needed: the tensor "inputs" alone serves otherwise.
bool NeedPacking(const Fields& fields);

// float32 [N, ...] of one field, [N, k, ...] of k, of which plane i is field i, as model::Model
// takes them. INVALID_ARGUMENT names the file and the field: one that is missing (with those that
// are there), that has another shape than the first, or a value that is no token id (with its
// index).
absl::StatusOr<at::Tensor> Pack(const std::map<std::string, at::Tensor>& tensors,
                                const Fields& fields, const std::string& file);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_FIELDS_H_
