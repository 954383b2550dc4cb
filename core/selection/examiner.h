// Puts every model of a run before the same samples.
#ifndef ACCLIMATE_CORE_SELECTION_EXAMINER_H_
#define ACCLIMATE_CORE_SELECTION_EXAMINER_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/selection/candidate.h"
#include "core/train/stop_signal.h"

namespace acclimate::selection {

class Examiner {
 public:
  // Enough to tell a point of accuracy, few enough to cost next to nothing.
  static constexpr int64_t kTargetSamples = 2000;
  static constexpr int64_t kSourceSamples = 2000;

  // held_out: labelled source data that no model trains on; none for a source-free run.
  Examiner(const data::Dataset& target, const std::vector<data::Dataset>& held_out,
           const at::Device& device, uint64_t seed);

  // Scores the model as it is now, in evaluation mode. `record`: of the checkpoint, where this
  // model is the checkpoint's or there is no source data. CANCELLED: nothing was changed.
  absl::StatusOr<Candidate> Examine(model::Model& model, const absl::optional<SourceRecord>& record,
                                    train::StopSignal& stop) const;

  const data::Dataset& target_sample() const { return target_; }
  const std::vector<data::Dataset>& held_out_samples() const { return held_out_; }
  bool has_source() const { return !held_out_.empty(); }
  int64_t samples() const;  // that one examination forwards

 private:
  data::Dataset target_;  // without labels
  std::vector<data::Dataset> held_out_;
  at::Device device_;
};

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_EXAMINER_H_
