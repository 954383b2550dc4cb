#include "core/model/saved_state.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace acclimate::model {
namespace {

constexpr int kMaxDepth = 6;      // of dictionaries in dictionaries
constexpr size_t kMostNamed = 8;  // of names that a message lists
constexpr size_t kMostKeyBytes = 80;
constexpr char kHeadName[] = "fc.weight";

struct Candidate {
  std::vector<std::string> keys;
  const PickleValue* dictionary = nullptr;
  size_t tensors = 0;
};

// Numbers that a training script keeps beside the weights are tensors of no dimension.
size_t CountWeights(const PickleValue& dictionary) {
  size_t count = 0;
  for (size_t i = 0; i + 1 < dictionary.items.size(); i += 2) {
    const PickleValue &name = *dictionary.items[i], &value = *dictionary.items[i + 1];
    count += name.kind == PickleValue::kString && value.kind == PickleValue::kTensor &&
             value.tensor.defined() && value.tensor.dim() > 0;
  }
  return count;
}

void Collect(const PickleValue& dictionary, std::vector<std::string> keys,
             std::vector<Candidate>* candidates) {
  if (const size_t count = CountWeights(dictionary); count > 0) {
    candidates->push_back({keys, &dictionary, count});
  }
  if (keys.size() >= kMaxDepth) return;
  for (size_t i = 0; i + 1 < dictionary.items.size(); i += 2) {
    const PickleValue &name = *dictionary.items[i], &value = *dictionary.items[i + 1];
    if (name.kind != PickleValue::kString || value.kind != PickleValue::kDict) continue;
    keys.push_back(name.text);
    Collect(value, keys, candidates);
    keys.pop_back();
  }
}

// `["net"]["weights"]`.
std::string KeyPath(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) absl::StrAppend(&text, "[\"", key, "\"]");
  return text;
}

std::string Listed(const std::vector<std::string>& names) {
  const size_t count = std::min(names.size(), kMostNamed);
  std::string text = absl::StrJoin(names.begin(), names.begin() + count, ", ");
  if (names.size() > count) absl::StrAppend(&text, " and ", names.size() - count, " more");
  return text;
}

std::vector<std::string> KeysOf(const PickleValue& dictionary) {
  std::vector<std::string> keys;
  for (size_t i = 0; i + 1 < dictionary.items.size(); i += 2) {
    const PickleValue& name = *dictionary.items[i];
    if (name.kind != PickleValue::kString) continue;
    keys.push_back(absl::StrCat("\"", name.text.substr(0, kMostKeyBytes), "\""));
  }
  return keys;
}

absl::Status NoStateDict(const PickleValue& root, const std::map<std::string, int>& refused) {
  if (!refused.empty()) {
    std::vector<std::string> names;
    for (const auto& [name, count] : refused) names.push_back(name);
    return absl::InvalidArgumentError(absl::StrCat(
        "no state dict, but objects of code that is not run here (", Listed(names),
        "): save the weights alone, torch.save(torch.load(FILE, weights_only=False).state_dict(), "
        "\"model.pth\")"));
  }
  const std::vector<std::string> keys = KeysOf(root);
  if (!keys.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no state dict: its keys are ", Listed(keys),
                     ", and none leads to named tensors; torch.save(model.state_dict(), "
                     "\"model.pth\") makes one"));
  }
  return absl::InvalidArgumentError(
      "no state dict; torch.save(model.state_dict(), \"model.pth\") makes one");
}

absl::Status Several(const std::vector<Candidate>& candidates) {
  std::vector<std::string> found;
  for (const Candidate& candidate : candidates) {
    found.push_back(
        absl::StrCat(candidate.keys.empty() ? "the dictionary itself" : KeyPath(candidate.keys),
                     " (", candidate.tensors, " tensors)"));
  }
  const auto largest = std::max_element(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.tensors < b.tensors; });
  return absl::InvalidArgumentError(
      absl::StrCat("holds several state dicts, ", Listed(found),
                   ": save the one that is the whole classifier, as in "
                   "torch.save(torch.load(FILE)",
                   KeyPath(largest->keys), ", \"model.pth\")"));
}

// Where a file has several: the names that training scripts give the model's own.
const Candidate* Preferred(const std::vector<Candidate>& candidates) {
  for (const char* key : {"state_dict", "model_state_dict", "model"}) {
    for (const Candidate& candidate : candidates) {
      if (candidate.keys == std::vector<std::string>{key}) return &candidate;
    }
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<SavedState> FindStateDict(const PickleValue& root,
                                         const std::map<std::string, int>& refused) {
  std::vector<Candidate> candidates;
  if (root.kind == PickleValue::kDict) Collect(root, {}, &candidates);
  if (candidates.empty()) return NoStateDict(root, refused);
  const Candidate* chosen = candidates.size() == 1 ? &candidates.front() : Preferred(candidates);
  if (chosen == nullptr) return Several(candidates);
  SavedState state;
  state.form.keys = chosen->keys;
  const PickleValue& dictionary = *chosen->dictionary;
  for (size_t i = 0; i + 1 < dictionary.items.size(); i += 2) {
    const PickleValue &name = *dictionary.items[i], &value = *dictionary.items[i + 1];
    if (name.kind != PickleValue::kString || value.kind != PickleValue::kTensor) continue;
    state.tensors[name.text] = value.tensor;
  }
  if (!chosen->keys.empty() && root.items.size() > 2) {
    std::vector<std::string> others = KeysOf(root);
    others.erase(
        std::remove(others.begin(), others.end(), absl::StrCat("\"", chosen->keys.front(), "\"")),
        others.end());
    if (!others.empty()) {
      state.warnings.push_back(absl::StrCat("the weights are taken from ", KeyPath(chosen->keys),
                                            "; ", Listed(others),
                                            " beside it will not be in the saved model"));
    }
  }
  return state;
}

void TakePrefixOff(SavedState& state) {
  if (state.tensors.count(kHeadName) > 0) return;
  std::string prefix;
  int64_t most = 0;
  for (const auto& [name, tensor] : state.tensors) {
    if (!absl::EndsWith(name, absl::StrCat(".", kHeadName)) || tensor.dim() != 2) continue;
    const std::string before = name.substr(0, name.size() - std::string(kHeadName).size());
    const int64_t count =
        std::count_if(state.tensors.begin(), state.tensors.end(),
                      [&](const auto& other) { return absl::StartsWith(other.first, before); });
    if (count > most) prefix = before, most = count;
  }
  if (prefix.empty()) return;
  std::map<std::string, at::Tensor> tensors;
  std::vector<std::string> outside;
  for (const auto& [name, tensor] : state.tensors) {
    if (absl::StartsWith(name, prefix)) {
      tensors[name.substr(prefix.size())] = tensor;
    } else {
      outside.push_back(name);
    }
  }
  state.tensors = std::move(tensors);
  state.form.prefix = prefix;
  if (!outside.empty()) {
    state.warnings.push_back(absl::StrCat("tensors outside of \"", prefix,
                                          "\" are not part of the model and will not be in the "
                                          "saved one: ",
                                          Listed(outside)));
  }
}

}  // namespace acclimate::model
