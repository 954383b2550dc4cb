#include "core/model/state_dict.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/io/shape_text.h"

namespace acclimate::model {
absl::Status CopyState(const std::map<std::string, at::Tensor>& from,
                       const std::map<std::string, at::Tensor>& into) {
  std::vector<std::string> faults;
  for (const auto& [name, tensor] : into) {
    const auto found = from.find(name);
    if (found == from.end()) {
      if (!absl::EndsWith(name, "num_batches_tracked")) {
        faults.push_back(absl::StrCat("missing ", name));
      }
    } else if (found->second.sizes() != tensor.sizes()) {
      faults.push_back(absl::StrCat(name, " has shape ", io::ShapeText(found->second.sizes()),
                                    " instead of ", io::ShapeText(tensor.sizes())));
    }
  }
  for (const auto& [name, tensor] : from) {
    if (into.count(name) == 0) faults.push_back(absl::StrCat("unexpected ", name));
  }
  if (!faults.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the state dict does not fit the model: ", absl::StrJoin(faults, "; ")));
  }
  at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : from) at::Tensor(into.at(name)).copy_(tensor);
  return absl::OkStatus();
}

}  // namespace acclimate::model
