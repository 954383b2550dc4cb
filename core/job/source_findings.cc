#include "core/job/source_findings.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

namespace acclimate::job {
namespace {

constexpr char kConfusion[] = "job/source_confusion_matrix";
constexpr char kReliability[] = "job/source_reliability";
constexpr char kPrediction[] = "job/source_prediction";
constexpr char kConfidence[] = "job/source_confidence";
constexpr char kTemperature[] = "job/source_temperature";
constexpr char kTemperatureFrom[] = "source_temperature_from";
constexpr char kView[] = "view_before";

// Undefined where the state has none.
at::Tensor TensorIn(const train::TrainingState& state, const char* name) {
  const auto found = state.tensors.find(name);
  return found == state.tensors.end() ? at::Tensor() : found->second;
}

// Of another number of samples: none.
TargetPredictions PredictionsIn(const train::TrainingState& state, int64_t samples) {
  const at::Tensor predicted = TensorIn(state, kPrediction);
  const at::Tensor confidence = TensorIn(state, kConfidence);
  const at::Tensor temperature = TensorIn(state, kTemperature);
  for (const auto& [tensor, size] :
       {std::pair(predicted, samples), {confidence, samples}, {temperature, int64_t{1}}}) {
    if (!tensor.defined() || tensor.numel() != size) return {};
  }
  const auto from = state.notes.find(kTemperatureFrom);
  return {predicted.to(at::kCPU, at::kLong),
          confidence.to(at::kCPU, at::kFloat),
          {temperature.item<double>(), from == state.notes.end() ? "" : from->second}};
}

}  // namespace

void SourceFindings::AddTo(train::TrainingState& state) const {
  if (evaluation.confusion.defined()) {
    state.tensors[kConfusion] = evaluation.confusion;
    state.tensors[kReliability] = evaluation.reliability;
  }
  if (predictions.predicted.defined()) {
    state.tensors[kPrediction] = predictions.predicted;
    state.tensors[kConfidence] = predictions.confidence;
    state.tensors[kTemperature] = at::scalar_tensor(predictions.temperature.value, at::kDouble);
    state.notes[kTemperatureFrom] = predictions.temperature.from;
  }
  if (!view.is_null()) state.notes[kView] = view.dump();
}

absl::StatusOr<SourceFindings> SourceFindings::From(const train::TrainingState& state,
                                                    int64_t target_samples) {
  SourceFindings found;
  const at::Tensor confusion = TensorIn(state, kConfusion);
  const at::Tensor reliability = TensorIn(state, kReliability);
  if (confusion.defined() && reliability.defined()) found.evaluation = {confusion, reliability};
  found.predictions = PredictionsIn(state, target_samples);
  if (const auto view = state.notes.find(kView); view != state.notes.end()) {
    found.view = nlohmann::json::parse(view->second, nullptr, /*allow_exceptions=*/false);
    if (found.view.is_discarded()) {
      return absl::InvalidArgumentError("training state: its view of the source is damaged");
    }
  }
  return found;
}

}  // namespace acclimate::job
