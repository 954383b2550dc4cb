#include "core/selection/examiner.h"

#include <torch/types.h>

#include <utility>

namespace acclimate::selection {

Examiner::Examiner(const data::Dataset& target, const std::vector<data::Dataset>& held_out,
                   const at::Device& device, uint64_t seed)
    : target_(Sample(target, kTargetSamples, seed, /*labels=*/false)),
      held_out_(SampleEach(held_out, kSourceSamples, seed)),
      device_(device) {}

absl::StatusOr<Candidate> Examiner::Examine(model::Model& model,
                                            const absl::optional<SourceRecord>& record,
                                            train::StopSignal& stop) const {
  absl::StatusOr<Predictions> target = Predict(model, target_, device_, stop);
  if (!target.ok()) return target.status();
  if (held_out_.empty()) return Score(*target, absl::nullopt, record);
  std::vector<at::Tensor> features, logits, labels;
  for (const data::Dataset& held_out : held_out_) {
    absl::StatusOr<Predictions> source = Predict(model, held_out, device_, stop);
    if (!source.ok()) return source.status();
    features.push_back(source->features);
    logits.push_back(source->logits);
    labels.push_back(source->labels);
  }
  return Score(*target, Predictions{at::cat(features), at::cat(logits), at::cat(labels)}, record);
}

int64_t Examiner::samples() const {
  int64_t samples = target_.size();
  for (const data::Dataset& held_out : held_out_) samples += held_out.size();
  return samples;
}

}  // namespace acclimate::selection
