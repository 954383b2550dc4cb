#include "core/selection/examiner.h"

#include <ATen/ATen.h>

#include <utility>

namespace acclimate::selection {

Examiner::Examiner(const data::Dataset& target, const std::vector<data::Dataset>& held_out,
                   const at::Device& device, uint64_t seed, int64_t samples)
    : target_(Sample(target, samples, seed, /*labels=*/false)),
      held_out_(SampleEach(held_out, samples, seed)),
      device_(device) {}

absl::StatusOr<Sight> Examiner::See(model::Model& model, train::StopSignal& stop) const {
  absl::StatusOr<Predictions> target = Predict(model, target_, device_, stop);
  if (!target.ok()) return target.status();
  Sight sight{*std::move(target), absl::nullopt};
  if (held_out_.empty()) return sight;
  std::vector<at::Tensor> features, logits, labels;
  for (const data::Dataset& held_out : held_out_) {
    absl::StatusOr<Predictions> source = Predict(model, held_out, device_, stop);
    if (!source.ok()) return source.status();
    features.push_back(source->features);
    logits.push_back(source->logits);
    labels.push_back(source->labels);
  }
  sight.held_out = Predictions{at::cat(features), at::cat(logits), at::cat(labels)};
  return sight;
}

absl::StatusOr<Candidate> Examiner::Examine(model::Model& model,
                                            const absl::optional<SourceRecord>& record,
                                            train::StopSignal& stop) const {
  const absl::StatusOr<Sight> sight = See(model, stop);
  if (!sight.ok()) return sight.status();
  return Score(sight->target, sight->held_out, record);
}

int64_t Examiner::samples() const {
  int64_t samples = target_.size();
  for (const data::Dataset& held_out : held_out_) samples += held_out.size();
  return samples;
}

}  // namespace acclimate::selection
