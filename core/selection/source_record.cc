#include "core/selection/source_record.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/losses/cross_entropy.h"
#include "core/losses/entropy.h"

namespace acclimate::selection {
namespace {

constexpr char kAccuracy[] = "acclimate.validation_accuracy";
constexpr char kTemperature[] = "acclimate.temperature";
constexpr char kConfidence[] = "acclimate.confidence";
constexpr char kThreshold[] = "acclimate.atc_threshold";
constexpr char kSamples[] = "acclimate.validation_samples";

bool ReadNumber(const std::map<std::string, std::string>& metadata, const char* key,
                double* value) {
  const auto it = metadata.find(key);
  return it != metadata.end() && absl::SimpleAtod(it->second, value) && std::isfinite(*value);
}

}  // namespace

double FitTemperature(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor z = logits.to(at::kDouble);
  const auto loss = [&](double log_temperature) {
    return losses::CrossEntropy(z * std::exp(-log_temperature), labels).item<double>();
  };
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  double low = std::log(1.0 / 20), high = std::log(20.0);
  double left = high - ratio * (high - low), right = low + ratio * (high - low);
  double loss_left = loss(left), loss_right = loss(right);
  while (high - low > 1e-3) {
    if (loss_left < loss_right) {
      high = right;
      right = left;
      loss_right = loss_left;
      left = high - ratio * (high - low);
      loss_left = loss(left);
    } else {
      low = left;
      left = right;
      loss_left = loss_right;
      right = low + ratio * (high - low);
      loss_right = loss(right);
    }
  }
  return std::exp((low + high) / 2);
}

SourceRecord Measure(const Predictions& held_out) {
  SourceRecord record;
  record.samples = held_out.labels.size(0);
  const at::Tensor right = held_out.logits.argmax(1).eq(held_out.labels);
  record.accuracy = right.to(at::kDouble).mean().item<double>();
  record.temperature = FitTemperature(held_out.logits, held_out.labels);
  const at::Tensor scaled = held_out.logits.to(at::kDouble) / record.temperature;
  record.confidence = scaled.softmax(1).amax(1).mean().item<double>();
  const at::Tensor scores = std::get<0>((-losses::Entropy(scaled)).sort());
  const int64_t wrong = record.samples - right.sum().item<int64_t>();
  record.threshold = scores[std::min(wrong, record.samples - 1)].item<double>();
  return record;
}

SourceRecord WorseOf(const SourceRecord& a, const SourceRecord& b) {
  return {std::min(a.accuracy, b.accuracy), std::max(a.temperature, b.temperature),
          std::min(a.confidence, b.confidence), std::min(a.threshold, b.threshold),
          std::min(a.samples, b.samples)};
}

absl::optional<SourceRecord> ReadRecord(const std::map<std::string, std::string>& metadata) {
  SourceRecord record;
  double samples = 0;
  const bool whole = ReadNumber(metadata, kAccuracy, &record.accuracy) &&
                     ReadNumber(metadata, kTemperature, &record.temperature) &&
                     ReadNumber(metadata, kConfidence, &record.confidence) &&
                     ReadNumber(metadata, kThreshold, &record.threshold) &&
                     ReadNumber(metadata, kSamples, &samples) && record.temperature > 0;
  if (!whole) return absl::nullopt;
  record.samples = static_cast<int64_t>(samples);
  return record;
}

void WriteRecord(const SourceRecord& record, std::map<std::string, std::string>& metadata) {
  metadata[kAccuracy] = absl::StrCat(record.accuracy);
  metadata[kTemperature] = absl::StrCat(record.temperature);
  metadata[kConfidence] = absl::StrCat(record.confidence);
  metadata[kThreshold] = absl::StrCat(record.threshold);
  metadata[kSamples] = absl::StrCat(record.samples);
}

void EraseRecord(std::map<std::string, std::string>& metadata) {
  for (const char* key : {kAccuracy, kTemperature, kConfidence, kThreshold, kSamples}) {
    metadata.erase(key);
  }
}

HeldOut::HeldOut(const data::Dataset& dataset, double share, int64_t least) : dataset_(dataset) {
  const int64_t count = static_cast<int64_t>(share * static_cast<double>(dataset.size()));
  if (count < least) return;
  held_out_ = at::zeros({dataset.size()}, at::kBool);
  held_out_.index_fill_(0, at::randperm(dataset.size(), at::kLong).slice(0, 0, count), true);
}

absl::optional<data::Dataset> HeldOut::Samples() const {
  if (!held_out_.defined()) return absl::nullopt;
  return dataset_.Subset(held_out_.nonzero().squeeze(1));
}

data::Batch HeldOut::Trained(const data::Batch& batch, const at::Tensor& index) const {
  if (!held_out_.defined()) return batch;
  const at::Tensor places = held_out_.index_select(0, index).logical_not().nonzero().squeeze(1);
  if (places.size(0) == index.size(0) || places.size(0) < 2) return batch;
  const at::Tensor on_device = places.to(batch.inputs.device());
  return {batch.inputs.index_select(0, on_device), batch.labels.index_select(0, on_device)};
}

absl::Status HeldOut::Record(model::Model& model, const at::Device& device,
                             train::StopSignal& stop) const {
  EraseRecord(model.metadata());
  const absl::optional<data::Dataset> held_out = Samples();
  if (!held_out) return absl::OkStatus();
  absl::StatusOr<Predictions> predictions = Predict(model, *held_out, device, stop);
  if (!predictions.ok()) return predictions.status();
  WriteRecord(Measure(*predictions), model.metadata());
  return absl::OkStatus();
}

}  // namespace acclimate::selection
