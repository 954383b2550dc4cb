#include "core/model/pickle_reader.h"

#include <ATen/ATen.h>

#include <exception>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "core/model/unpickler.h"

namespace acclimate::model {
namespace {

const PickleValue* Find(const PickleValue& dict, absl::string_view key) {
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue& name = *dict.items[i];
    if (name.kind == PickleValue::kString && name.text == key) return dict.items[i + 1].get();
  }
  return nullptr;
}

// The dictionary that holds the tensors: the pickled one, or the one that a training script nests.
const PickleValue& StateDictIn(const PickleValue& root) {
  for (const char* key : {"state_dict", "model_state_dict", "model"}) {
    const PickleValue* nested = Find(root, key);
    if (nested != nullptr && nested->kind == PickleValue::kDict) return *nested;
  }
  return root;
}

std::map<std::string, at::Tensor> Tensors(const PickleValue& dict) {
  std::map<std::string, at::Tensor> tensors;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue &name = *dict.items[i], &value = *dict.items[i + 1];
    if (name.kind != PickleValue::kString || value.kind != PickleValue::kTensor) continue;
    tensors[std::string(absl::StripPrefix(name.text, "module."))] = value.tensor;
  }
  return tensors;
}

}  // namespace

absl::StatusOr<std::map<std::string, at::Tensor>> ReadPickle(const TorchArchive& archive) {
  const absl::StatusOr<absl::string_view> pickle = archive.Read("data.pkl");
  if (!pickle.ok()) return pickle.status();
  const auto refuse = [&](const auto&... what) {
    return absl::InvalidArgumentError(absl::StrCat(archive.file()->name(), ": ", what...));
  };
  try {
    Unpickler unpickler(archive, *pickle);
    const PickleValue& root = unpickler.Run();
    std::map<std::string, at::Tensor> tensors;
    if (root.kind == PickleValue::kDict) tensors = Tensors(StateDictIn(root));
    if (!tensors.empty()) return tensors;
    std::vector<std::string> refused;
    for (const auto& [name, count] : unpickler.refused()) refused.push_back(name);
    if (refused.empty()) return refuse("no state dict: save model.state_dict()");
    return refuse("no state dict, but objects of code that is not run here (",
                  absl::StrJoin(refused, ", "), "): save model.state_dict()");
  } catch (const std::exception& error) {
    return refuse(error.what());
  }
}

}  // namespace acclimate::model
