// What a model says of every sample of the target: probabilities.safetensors, and what an audit
// needs.
#ifndef ACCLIMATE_CORE_JOB_TARGET_PREDICTIONS_H_
#define ACCLIMATE_CORE_JOB_TARGET_PREDICTIONS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/data/dataset.h"
#include "core/io/tensor_file.h"
#include "core/model/model.h"
#include "core/report/audit.h"
#include "core/selection/source_record.h"
#include "core/train/stop_signal.h"

namespace acclimate::job {

// What logits are divided by before the softmax.
struct Temperature {
  double value = 1;
  // "held_out_source": fitted to labelled source data that no model trained on; "record": what was
  // recorded with the model; "none": nothing to fit it to; "method": the method makes
  // probabilities.
  std::string from = "none";
};

// The first of these that there is. `held_out`: of each source, may be none.
absl::StatusOr<Temperature> ChooseTemperature(model::Model& model,
                                              const std::vector<data::Dataset>& held_out,
                                              const absl::optional<selection::SourceRecord>& record,
                                              const at::Device& device, train::StopSignal& stop);

// Undefined tensors where nothing was predicted.
struct TargetPredictions {
  at::Tensor predicted;   // int64 [N] on the CPU
  at::Tensor confidence;  // float32 [N] on the CPU: the calibrated probability of that class
  Temperature temperature;
};

// Of rows of probabilities [N, C].
TargetPredictions FromProbabilities(const at::Tensor& probabilities,
                                    const Temperature& temperature);

// One pass over the target in evaluation mode. `visit` sees every batch, in order: features and
// logits as they came, on the device, and softmax(logits / T), float32 [B, C] on the CPU. CANCELLED
// as soon as `stop` says so.
using PredictionVisitor = std::function<absl::Status(int64_t begin, const model::ForwardResult&,
                                                     const at::Tensor& probabilities)>;
absl::StatusOr<TargetPredictions> PredictTarget(model::Model& model, const data::Dataset& target,
                                                const Temperature& temperature,
                                                const at::Device& device, train::StopSignal& stop,
                                                const PredictionVisitor& visit);

// Writes `probabilities` (float32 [N, C]), batch by batch, then `prediction` (int64 [N]); where
// there is a source model its `source_prediction` (int64 [N]) and `source_confidence` (float32
// [N]). The metadata says which temperatures these have and where they come from.
class ProbabilitiesFile {
 public:
  static absl::StatusOr<ProbabilitiesFile> Create(const std::string& path, int64_t samples,
                                                  int64_t classes, const Temperature& temperature,
                                                  const TargetPredictions& source);
  absl::Status Append(const at::Tensor& probabilities) { return writer_.Append(probabilities); }
  // predicted: as in TargetPredictions.
  absl::Status Commit(const at::Tensor& predicted);

 private:
  ProbabilitiesFile(io::TensorFileWriter writer, const TargetPredictions& source)
      : writer_(std::move(writer)), source_(source) {}

  io::TensorFileWriter writer_;
  TargetPredictions source_;
};

// For the audit.
report::ModelOutputs ToModelOutputs(const TargetPredictions& predictions);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_TARGET_PREDICTIONS_H_
