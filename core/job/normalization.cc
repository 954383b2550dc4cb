#include "core/job/normalization.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace acclimate::job {
namespace {

constexpr char kMeanKey[] = "acclimate.mean";
constexpr char kStdKey[] = "acclimate.std";

// `values` if there are any, else those of metadata[key], else `otherwise`.
absl::StatusOr<std::vector<double>> Choose(const std::vector<double>& values,
                                           const std::map<std::string, std::string>& metadata,
                                           const std::string& key, double otherwise) {
  if (!values.empty()) return values;
  const auto it = metadata.find(key);
  if (it == metadata.end()) return std::vector<double>{otherwise};
  const nlohmann::json recorded = nlohmann::json::parse(it->second, nullptr, false);
  std::vector<double> numbers;
  for (const nlohmann::json& number : recorded) {
    if (!number.is_number()) break;
    numbers.push_back(number.get<double>());
  }
  if (!recorded.is_array() || numbers.empty() || numbers.size() != recorded.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("checkpoint: its metadata ", key, " is not a list of numbers"));
  }
  return numbers;
}

}  // namespace

absl::StatusOr<data::Normalization> ChooseNormalization(
    const std::vector<double>& mean, const std::vector<double>& std,
    const std::map<std::string, std::string>& model_metadata) {
  absl::StatusOr<std::vector<double>> means = Choose(mean, model_metadata, kMeanKey, 0.0);
  if (!means.ok()) return means.status();
  absl::StatusOr<std::vector<double>> stds = Choose(std, model_metadata, kStdKey, 1.0);
  if (!stds.ok()) return stds.status();
  return data::Normalization{*std::move(means), *std::move(stds)};
}

void RecordNormalization(const data::Normalization& normalization,
                         std::map<std::string, std::string>& model_metadata) {
  model_metadata[kMeanKey] = nlohmann::json(normalization.mean).dump();
  model_metadata[kStdKey] = nlohmann::json(normalization.std).dump();
}

}  // namespace acclimate::job
