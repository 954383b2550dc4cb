// What is known about a model on held-out data of its own domain: enough to read its confidence on
// another one. `finetune` records it with the checkpoint, for jobs that have no source data.
#ifndef ACCLIMATE_CORE_SELECTION_SOURCE_RECORD_H_
#define ACCLIMATE_CORE_SELECTION_SOURCE_RECORD_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/selection/predictions.h"
#include "core/train/stop_signal.h"

namespace acclimate::selection {

// In the checkpoint's metadata under acclimate.validation_accuracy, acclimate.temperature,
// acclimate.confidence, acclimate.atc_threshold and acclimate.validation_samples.
struct SourceRecord {
  double accuracy = 0;     // on the held-out samples
  double temperature = 1;  // T that minimises their mean cross-entropy of logits / T
  double confidence = 0;   // mean of max_c softmax(logits / T)
  // t such that the share of samples with -H(softmax(logits / T)) >= t is the accuracy: the
  // threshold of average thresholded confidence (Garg et al., ICLR 2022).
  double threshold = 0;
  int64_t samples = 0;
};

// T in [1/20, 20] by golden-section search on log T (Guo et al., ICML 2017). logits: [N, C],
// labels: int64 [N].
double FitTemperature(const at::Tensor& logits, const at::Tensor& labels);

// `held_out` has labels.
SourceRecord Measure(const Predictions& held_out);

// The worse of both in each respect: the lower accuracy, confidence and threshold, the higher
// temperature.
SourceRecord WorseOf(const SourceRecord& a, const SourceRecord& b);

// Absent: nothing (readable) was recorded.
absl::optional<SourceRecord> ReadRecord(const std::map<std::string, std::string>& metadata);
void WriteRecord(const SourceRecord& record, std::map<std::string, std::string>& metadata);
void EraseRecord(std::map<std::string, std::string>& metadata);

// The share of a training run's labelled data that is kept from training to be measured at its end.
class HeldOut {
 public:
  // Draws from the default CPU generator. Nothing is held out where the share is less than `least`
  // samples: too few to say anything.
  HeldOut(const data::Dataset& dataset, double share, int64_t least = kLeastSamples);

  // Those held out, with their labels; nothing when there are none.
  absl::optional<data::Dataset> Samples() const;

  // The batch without the samples that are held out, or whole where fewer than two would be left.
  // index: int64 [B], the samples in it, as in StepInput; its inputs may be anything made of them.
  data::Batch Trained(const data::Batch& batch, const at::Tensor& index) const;
  // Measures the model and writes the record into its metadata, in place of an older one. May be
  // stopped and repeated.
  absl::Status Record(model::Model& model, const at::Device& device, train::StopSignal& stop) const;

  static constexpr int64_t kLeastSamples = 50;

 private:
  const data::Dataset& dataset_;
  at::Tensor held_out_;  // bool [N]; undefined when nothing is
};

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_SOURCE_RECORD_H_
