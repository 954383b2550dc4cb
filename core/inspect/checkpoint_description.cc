#include "core/inspect/checkpoint_description.h"

#include <ATen/ATen.h>

#include <map>
#include <string>

#include "absl/strings/match.h"
#include "core/inspect/fitting_methods.h"
#include "core/model/checkpoint.h"
#include "core/model/checkpoint_metadata.h"

namespace acclimate::inspect {
namespace {

using nlohmann::ordered_json;

const char* FormText(model::CheckpointForm form) {
  switch (form) {
    case model::CheckpointForm::kTorchScript:
      return "TorchScript";
    case model::CheckpointForm::kSafetensors:
      return "state dict (safetensors)";
    case model::CheckpointForm::kPickle:
      return "state dict (.pth)";
    case model::CheckpointForm::kExportedProgram:
      return "program of torch.export (.pt2)";
  }
  return "";
}

// The shape that was recorded with the model, for which it is probed where none is asked for.
std::vector<int64_t> RecordedShape(const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find("acclimate.sample");
  if (found == metadata.end()) return {};
  const nlohmann::json record = nlohmann::json::parse(found->second, nullptr, false);
  if (!record.is_object() || !record.contains("shape")) return {};
  std::vector<int64_t> shape;
  for (const nlohmann::json& size : record["shape"]) {
    if (size.is_number_integer()) shape.push_back(size.get<int64_t>());
  }
  return shape;
}

// What Acclimate has noted with the model, by its own names.
ordered_json Recorded(const std::map<std::string, std::string>& metadata) {
  ordered_json recorded = ordered_json::object();
  constexpr char kOurs[] = "acclimate.";
  for (const auto& [key, text] : metadata) {
    if (!absl::StartsWith(key, kOurs)) continue;
    const ordered_json value = ordered_json::parse(text, nullptr, false);
    recorded[key.substr(sizeof(kOurs) - 1)] = value.is_discarded() ? ordered_json(text) : value;
  }
  return recorded;
}

void AddNetwork(const model::Model& model, ordered_json& description) {
  int64_t numbers = 0;
  for (const model::Parameter& parameter : model.parameters()) numbers += parameter.tensor.numel();
  description["form"] = FormText(model.form());
  if (!model.architecture().empty()) description["architecture"] = model.architecture();
  description["classes"] = model.num_classes();
  if (model.feature_size() > 0) description["features"] = model.feature_size();
  description["parameters"] = numbers;
  description["batch_norm_layers"] = model.batch_norm_layers().size();
  description["normalization_layers"] = model.normalization_layers().size();
  const model::StoredForm& stored = model.stored_form();
  if (!stored.prefix.empty()) description["prefix"] = stored.prefix;
  if (!stored.keys.empty()) description["keys"] = stored.keys;
}

}  // namespace

ordered_json DescribeCheckpoint(const std::shared_ptr<io::MappedFile>& file,
                                const Question& question) {
  ordered_json description = {{"kind", "checkpoint"}};
  description["warnings"] = description["problems"] = ordered_json::array();
  const auto metadata = model::ReadCheckpointMetadata(file);
  model::LoadOptions options;
  options.architecture = question.architecture;
  options.sample_shape = question.sample_shape;
  if (options.sample_shape.empty() && metadata.ok()) {
    options.sample_shape = RecordedShape(*metadata);
  }
  const auto model = model::LoadCheckpoint(file, options);
  if (!model.ok()) {
    description["problems"].push_back(std::string(model.status().message()));
    return description;
  }
  AddNetwork(**model, description);
  if (!options.sample_shape.empty()) description["takes_samples"] = options.sample_shape;
  description.update(FittingMethods(**model, options.sample_shape));
  for (const std::string& warning : (*model)->warnings()) {
    description["warnings"].push_back(warning);
  }
  if (ordered_json recorded = Recorded((*model)->metadata()); !recorded.empty()) {
    description["recorded"] = std::move(recorded);
  }
  return description;
}

}  // namespace acclimate::inspect
