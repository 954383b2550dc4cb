#include "core/job/normalization.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace acclimate::job {
namespace {

constexpr char kMeanKey[] = "acclimate.mean";
constexpr char kStdKey[] = "acclimate.std";
constexpr char kClipKey[] = "acclimate.clip";
constexpr char kRawBytesKey[] = "acclimate.raw_bytes";

// Of red, green and blue in [0, 1], as torchvision's models expect them.
const std::vector<double>& ImageNetMean() {
  static const auto* const kMean = new std::vector<double>{0.485, 0.456, 0.406};
  return *kMean;
}
const std::vector<double>& ImageNetStd() {
  static const auto* const kStd = new std::vector<double>{0.229, 0.224, 0.225};
  return *kStd;
}

// Those of metadata[key], else `otherwise`.
absl::StatusOr<std::vector<double>> Recorded(const Metadata& metadata, const std::string& key,
                                             double otherwise) {
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

absl::StatusOr<ChosenNormalization> AsRecorded(const Metadata& metadata) {
  absl::StatusOr<data::Normalization> recorded = RecordedNormalization(metadata);
  if (!recorded.ok()) return recorded.status();
  return ChosenNormalization{*std::move(recorded),
                             RecordsNormalization(metadata) ? "checkpoint" : "none"};
}

// Each of mean and std that is not given is the recorded one.
absl::StatusOr<ChosenNormalization> AsGiven(const NormalizationRequest& request,
                                            const Metadata& metadata) {
  absl::StatusOr<ChosenNormalization> chosen = AsRecorded(metadata);
  if (!chosen.ok()) return chosen;
  if (request.mean.empty() && request.std.empty()) return chosen;
  if (!request.mean.empty()) chosen->values.mean = request.mean;
  if (!request.std.empty()) chosen->values.std = request.std;
  chosen->values.clip = 0;
  chosen->values.raw_bytes = false;
  chosen->from = "given";
  return chosen;
}

absl::StatusOr<ChosenNormalization> Choose(
    const NormalizationRequest& request, const Metadata& metadata,
    const std::function<absl::StatusOr<data::Normalization>()>& measure) {
  if (request.mode.empty()) return AsGiven(request, metadata);
  if (!request.mean.empty() || !request.std.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("normalization: mode \"", request.mode,
                                                   "\" and numbers exclude each other; give one"));
  }
  if (request.mode == "none") return ChosenNormalization{{}, "none"};
  if (request.mode == "imagenet") {
    return ChosenNormalization{{ImageNetMean(), ImageNetStd()}, "imagenet"};
  }
  if (request.mode != "auto") {
    return absl::InvalidArgumentError(absl::StrCat(
        "normalization.mode: must be auto, imagenet or none; is \"", request.mode, "\""));
  }
  if (RecordsNormalization(metadata)) return AsRecorded(metadata);
  absl::StatusOr<data::Normalization> measured = measure();
  if (!measured.ok()) return measured.status();
  return ChosenNormalization{*std::move(measured), "measured"};
}

}  // namespace

absl::StatusOr<ChosenNormalization> ChooseNormalization(
    const NormalizationRequest& request, const Metadata& model_metadata,
    const std::function<absl::StatusOr<data::Normalization>()>& measure) {
  absl::StatusOr<ChosenNormalization> chosen = Choose(request, model_metadata, measure);
  if (chosen.ok() && request.clip > 0) chosen->values.clip = request.clip;
  if (chosen.ok() && request.raw_bytes) chosen->values.raw_bytes = true;
  return chosen;
}

absl::StatusOr<data::Normalization> RecordedNormalization(const Metadata& model_metadata) {
  absl::StatusOr<std::vector<double>> mean = Recorded(model_metadata, kMeanKey, 0.0);
  if (!mean.ok()) return mean.status();
  absl::StatusOr<std::vector<double>> std = Recorded(model_metadata, kStdKey, 1.0);
  if (!std.ok()) return std.status();
  absl::StatusOr<std::vector<double>> clip = Recorded(model_metadata, kClipKey, 0.0);
  if (!clip.ok()) return clip.status();
  absl::StatusOr<std::vector<double>> raw_bytes = Recorded(model_metadata, kRawBytesKey, 0.0);
  if (!raw_bytes.ok()) return raw_bytes.status();
  return data::Normalization{*std::move(mean), *std::move(std), clip->front(),
                             raw_bytes->front() != 0};
}

bool RecordsNormalization(const Metadata& model_metadata) {
  return model_metadata.count(kMeanKey) > 0 || model_metadata.count(kStdKey) > 0;
}

void RecordNormalization(const data::Normalization& normalization, Metadata& model_metadata) {
  model_metadata[kMeanKey] = nlohmann::json(normalization.mean).dump();
  model_metadata[kStdKey] = nlohmann::json(normalization.std).dump();
  model_metadata.erase(kClipKey);
  model_metadata.erase(kRawBytesKey);
  const auto list = [](double number) { return nlohmann::json(std::vector{number}).dump(); };
  if (normalization.clip > 0) model_metadata[kClipKey] = list(normalization.clip);
  if (normalization.raw_bytes) model_metadata[kRawBytesKey] = list(1);
}

}  // namespace acclimate::job
