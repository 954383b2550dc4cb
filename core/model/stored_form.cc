#include "core/model/stored_form.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace acclimate::model {
namespace {

// As Python has it.
const char* TypeName(at::ScalarType type) {
  return type == at::kHalf ? "float16" : type == at::kBFloat16 ? "bfloat16" : "float64";
}

}  // namespace

bool IsOtherFloat(at::ScalarType type) {
  return type == at::kHalf || type == at::kBFloat16 || type == at::kDouble;
}

StoredTypes OtherFloatTypes(const std::map<std::string, at::Tensor>& state) {
  StoredTypes types;
  for (const auto& [name, tensor] : state) {
    if (tensor.defined() && IsOtherFloat(tensor.scalar_type())) types[name] = tensor.scalar_type();
  }
  return types;
}

std::map<std::string, at::Tensor> AsStored(const std::map<std::string, at::Tensor>& state,
                                           const StoredForm& form) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> stored;
  for (const auto& [name, tensor] : state) {
    const auto type = form.types.find(name);
    stored[form.prefix + name] = type == form.types.end() ? tensor : tensor.to(type->second);
  }
  return stored;
}

std::string TypesWarning(const StoredTypes& types) {
  std::map<std::string, int> counts;
  for (const auto& [name, type] : types) ++counts[TypeName(type)];
  const std::string names = absl::StrJoin(counts, ", ", [](std::string* text, const auto& count) {
    absl::StrAppend(text, count.second, count.second == 1 ? " tensor is " : " tensors are ",
                    count.first);
  });
  return absl::StrCat(names,
                      " in the checkpoint: the model computes in float32, and the saved one "
                      "has them in their own type again");
}

}  // namespace acclimate::model
