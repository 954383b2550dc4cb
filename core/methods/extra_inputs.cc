#include "core/methods/extra_inputs.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace acclimate::methods {

absl::StatusOr<const data::Dataset*> FindModelInput(const MethodContext& context,
                                                    const std::string& name) {
  const auto it = context.inputs.datasets.find(name);
  if (it == context.inputs.datasets.end()) return nullptr;
  const std::vector<int64_t> shape = it->second.sample_shape();
  const std::vector<int64_t> expected = context.target.sample_shape();
  if (shape == expected) return &it->second;
  return absl::InvalidArgumentError(
      absl::StrCat("inputs[\"", name, "\"]: samples have shape [", absl::StrJoin(shape, ", "),
                   "], those of the target [", absl::StrJoin(expected, ", "), "]"));
}

}  // namespace acclimate::methods
