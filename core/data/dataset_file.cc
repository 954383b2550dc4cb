#include "core/data/dataset_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/bad_data.h"
#include "core/data/csr.h"
#include "core/data/npy.h"
#include "core/data/npz.h"
#include "core/io/tensor_file.h"

namespace acclimate::data {
namespace {

absl::StatusOr<NpzFile> ReadTensors(const std::shared_ptr<io::MappedFile>& file,
                                    const Fields& fields) {
  if (file->size() == 0) return absl::InvalidArgumentError(absl::StrCat(file->name(), ": empty"));
  if (LooksLikeNpz(file->bytes())) return ReadNpz(file, fields);
  if (io::LooksLikeSafetensors(*file)) {
    absl::StatusOr<io::TensorFile> tensors = io::ReadSafetensors(file);
    if (!tensors.ok()) return tensors.status();
    NpzFile contents{*std::move(tensors), {}};
    for (const auto& [name, tensor] : contents.tensors) {
      if (name != "inputs" && name != "labels") contents.others.push_back(name);
    }
    return contents;
  }
  if (LooksLikeNpy(file->bytes())) {
    absl::StatusOr<at::Tensor> inputs = ReadNpy({file->data(), file->size(), file, file->name()});
    if (!inputs.ok()) return inputs.status();
    return NpzFile{{{{"inputs", *std::move(inputs)}}, {}}, {}};
  }
  return absl::InvalidArgumentError(
      absl::StrCat(file->name(), ": neither safetensors, npz nor npy; begins with bytes ",
                   absl::BytesToHexString(file->bytes().substr(0, 8))));
}

at::Tensor Find(const io::TensorFile& file, const char* name) {
  auto found = file.tensors.find(name);
  return found == file.tensors.end() ? at::Tensor() : found->second;
}

// "inputs", under the name that others give it.
constexpr const char* kNamesOfInputs[] = {"x",        "input",   "data",  "images",  "image",
                                          "features", "samples", "arr_0", "x_train", "x_test"};
constexpr const char* kNamesOfLabels[] = {"y",       "label",   "target", "targets",
                                          "classes", "y_train", "y_test", "arr_1"};

// The one of `keys` that is meant; empty when none looks like it.
template <size_t size>
std::string Meant(const std::vector<std::string>& keys, const char* const (&names)[size],
                  absl::string_view right) {
  for (const std::string& key : keys) {
    const std::string lower = absl::AsciiStrToLower(key);
    if (lower == right) return key;  // "Inputs"
    for (const char* name : names) {
      if (lower == name) return key;
    }
  }
  return "";
}

std::string Listed(const std::vector<std::string>& keys) {
  constexpr size_t kMost = 10;
  const auto end = keys.begin() + static_cast<int64_t>(std::min(keys.size(), kMost));
  return absl::StrCat(
      "\"", absl::StrJoin(keys.begin(), end, "\", \""), "\"",
      keys.size() > kMost ? absl::StrCat(" and ", keys.size() - kMost, " more") : "");
}

absl::Status NoInputs(const NpzFile& contents, const std::string& name) {
  std::vector<std::string> keys = contents.others;
  for (const auto& [key, tensor] : contents.tensors) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
  if (keys.empty()) return BadData(name, "there is no tensor \"inputs\": the file has none at all");
  const std::string inputs = Meant(keys, kNamesOfInputs, "inputs");
  if (inputs.empty()) {
    return BadData(name, "there is no tensor \"inputs\"; there are ", Listed(keys));
  }
  const bool labelled = contents.tensors.count("labels") > 0;
  const std::string labels = labelled ? "labels" : Meant(keys, kNamesOfLabels, "labels");
  return BadData(name, "there is no tensor \"inputs\"; there are ", Listed(keys), ": is \"", inputs,
                 "\" meant? np.savez(file, inputs=d[\"", inputs, "\"]",
                 labels.empty() ? "" : absl::StrCat(", labels=d[\"", labels, "\"]"), ")");
}

std::string LabelsHint(const NpzFile& contents) {
  if (contents.others.empty()) return "";
  const std::string labels = Meant(contents.others, kNamesOfLabels, "labels");
  return absl::StrCat("beside \"inputs\" there are ", Listed(contents.others),
                      labels.empty() ? "" : absl::StrCat(": store \"", labels, "\" as \"labels\""));
}

absl::Status ReadClassNames(const NpzFile& contents, const std::string& name,
                            std::vector<std::string>& names) {
  const auto found = contents.metadata.find("class_names");
  if (found == contents.metadata.end()) return absl::OkStatus();
  const nlohmann::json list = nlohmann::json::parse(found->second, nullptr, false);
  for (const nlohmann::json& text : list) {
    if (!text.is_string()) break;
    names.push_back(text.get<std::string>());
  }
  if (!list.is_array() || names.size() != list.size()) {
    return BadData(name, "the metadata class_names is no JSON list of texts");
  }
  const std::set<std::string> distinct(names.begin(), names.end());
  if (distinct.size() != names.size()) return BadData(name, "class_names has a name twice");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StoredData> ReadStoredData(std::shared_ptr<io::MappedFile> file,
                                          const Fields& fields) {
  absl::StatusOr<NpzFile> tensors = ReadTensors(file, fields);
  if (!tensors.ok()) return tensors.status();
  StoredData stored;
  stored.inputs = Find(*tensors, "inputs");
  stored.labels = Find(*tensors, "labels");
  absl::Status named = ReadClassNames(*tensors, file->name(), stored.class_names);
  if (!named.ok()) return named;
  if (!stored.labels.defined()) stored.labels_hint = LabelsHint(*tensors);
  if (NeedPacking(fields)) {
    absl::StatusOr<at::Tensor> packed = Pack(tensors->tensors, fields, file->name());
    if (!packed.ok()) return packed.status();
    stored.inputs = *std::move(packed);
  }
  if (stored.inputs.defined()) return stored;
  if (!IsCsr(*tensors)) return NoInputs(*tensors, file->name());
  absl::StatusOr<at::Tensor> dense = DensifyCsr(*tensors, file->name());
  if (!dense.ok()) return dense.status();
  stored.inputs = *std::move(dense);
  return stored;
}

}  // namespace acclimate::data
