#include "core/job/target_predictions.h"

#include <ATen/ATen.h>

#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/selection/predictions.h"
#include "core/train/pass.h"

namespace acclimate::job {

absl::StatusOr<Temperature> ChooseTemperature(model::Model& model,
                                              const std::vector<data::Dataset>& held_out,
                                              const absl::optional<selection::SourceRecord>& record,
                                              const at::Device& device, train::StopSignal& stop) {
  std::vector<at::Tensor> logits, labels;
  for (const data::Dataset& source : held_out) {
    absl::StatusOr<selection::Predictions> seen = selection::Predict(model, source, device, stop);
    if (!seen.ok()) return seen.status();
    logits.push_back(seen->logits);
    labels.push_back(seen->labels);
  }
  if (!logits.empty()) {
    return Temperature{selection::FitTemperature(at::cat(logits), at::cat(labels)),
                       "held_out_source"};
  }
  if (record) return Temperature{record->temperature, "record"};
  return Temperature{};
}

TargetPredictions FromProbabilities(const at::Tensor& probabilities,
                                    const Temperature& temperature) {
  at::Tensor confidence, predicted;
  std::tie(confidence, predicted) = probabilities.to(at::kCPU, at::kFloat).max(1);
  return {predicted, confidence, temperature};
}

absl::StatusOr<TargetPredictions> PredictTarget(model::Model& model, const data::Dataset& target,
                                                const Temperature& temperature,
                                                const at::Device& device, train::StopSignal& stop,
                                                const PredictionVisitor& visit) {
  std::vector<at::Tensor> predicted, confidence;
  absl::Status visited;
  const absl::Status status =
      train::ForEachBatch(target, device, stop, [&](int64_t begin, const data::Batch& batch) {
        const model::ForwardResult result = model.Forward(batch.inputs, model::Mode::kEvaluation);
        const at::Tensor probabilities =
            (result.logits.to(at::kFloat) / temperature.value).softmax(1).to(at::kCPU);
        const TargetPredictions part = FromProbabilities(probabilities, temperature);
        predicted.push_back(part.predicted);
        confidence.push_back(part.confidence);
        if (visited.ok()) visited = visit(begin, result, probabilities);
      });
  if (!status.ok()) return status;
  if (!visited.ok()) return visited;
  return TargetPredictions{at::cat(predicted), at::cat(confidence), temperature};
}

absl::StatusOr<ProbabilitiesFile> ProbabilitiesFile::Create(const std::string& path,
                                                            int64_t samples, int64_t classes,
                                                            const Temperature& temperature,
                                                            const TargetPredictions& source) {
  std::vector<io::TensorFileWriter::Announced> tensors = {
      {"probabilities", at::kFloat, {samples, classes}}, {"prediction", at::kLong, {samples}}};
  std::map<std::string, std::string> metadata = {{"temperature", absl::StrCat(temperature.value)},
                                                 {"temperature_from", temperature.from}};
  if (source.predicted.defined()) {
    tensors.push_back({"source_prediction", at::kLong, {samples}});
    tensors.push_back({"source_confidence", at::kFloat, {samples}});
    metadata["source_temperature"] = absl::StrCat(source.temperature.value);
    metadata["source_temperature_from"] = source.temperature.from;
  }
  absl::StatusOr<io::TensorFileWriter> writer =
      io::TensorFileWriter::Create(path, tensors, metadata);
  if (!writer.ok()) return writer.status();
  return ProbabilitiesFile(*std::move(writer), source);
}

absl::Status ProbabilitiesFile::Commit(const at::Tensor& predicted) {
  absl::Status status = writer_.Append(predicted);
  if (source_.predicted.defined()) {
    status.Update(writer_.Append(source_.predicted));
    status.Update(writer_.Append(source_.confidence));
  }
  return status.ok() ? writer_.Commit() : status;
}

report::ModelOutputs ToModelOutputs(const TargetPredictions& predictions) {
  const at::Tensor predicted = predictions.predicted.contiguous(),
                   confidence = predictions.confidence.contiguous();
  report::ModelOutputs outputs;
  outputs.predicted.assign(predicted.data_ptr<int64_t>(),
                           predicted.data_ptr<int64_t>() + predicted.numel());
  outputs.confidence.assign(confidence.data_ptr<float>(),
                            confidence.data_ptr<float>() + confidence.numel());
  return outputs;
}

}  // namespace acclimate::job
