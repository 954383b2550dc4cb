// Puts every model of a run before the same samples, once.
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
#include "core/selection/predictions.h"
#include "core/train/stop_signal.h"

namespace acclimate::selection {

// What forward passes saw of one model: all that validators, estimates and pictures need of it.
struct Sight {
  Predictions target;                    // without labels
  absl::optional<Predictions> held_out;  // with labels; none for a source-free run
};

// Of a run, for whoever shows the models that it begins and ends with.
struct Sights {
  absl::optional<Sight> source;    // the source model as it came
  absl::optional<Sight> returned;  // the model that is returned, where a look saw that very model
};

class Examiner {
 public:
  // Enough to tell a point of accuracy, few enough to cost next to nothing.
  static constexpr int64_t kSamples = 2000;

  // held_out: labelled source data that no model trains on; none for a source-free run. At most
  // `samples` of each domain are seen.
  Examiner(const data::Dataset& target, const std::vector<data::Dataset>& held_out,
           const at::Device& device, uint64_t seed, int64_t samples = kSamples);

  // One forward pass over the samples of both domains, in evaluation mode, of the model as it is
  // now. CANCELLED: nothing was changed.
  absl::StatusOr<Sight> See(model::Model& model, train::StopSignal& stop) const;
  // See() and Score(). `record`: of the checkpoint, where this model is the checkpoint's or there
  // is no source data.
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
