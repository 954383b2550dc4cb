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
#include "core/selection/guard_labels.h"
#include "core/selection/predictions.h"
#include "core/selection/sight.h"
#include "core/train/stop_signal.h"
#include "core/train/task.h"

namespace acclimate::selection {

class Examiner {
 public:
  // Enough to tell a point of accuracy, few enough to cost next to nothing.
  static constexpr int64_t kSamples = 2000;

  // held_out: labelled source data that no model trains on; none for a source-free run. At most
  // `samples` of each domain are seen. guard_labels: kept as nothing but whether a model is right
  // on each of its samples; null without.
  Examiner(const data::Dataset& target, const std::vector<data::Dataset>& held_out,
           const at::Device& device, uint64_t seed, int64_t samples = kSamples,
           const GuardLabels* guard_labels = nullptr);

  // One forward pass over the samples of both domains, over mixtures of a quarter as many pairs of
  // the target's, and over the labelled samples, in evaluation mode, of the model as it is now.
  // CANCELLED: nothing was changed.
  absl::StatusOr<Sight> See(model::Model& model, train::StopSignal& stop) const;
  // See() and Score().
  absl::StatusOr<Candidate> Examine(model::Model& model, const absl::optional<SourceRecord>& record,
                                    Form form, train::StopSignal& stop) const;

  // Examine() of the model that `task` would leave if it ended now; `model` is the run's. Whoever
  // calls it puts model, task and generators back (train::Bookmark).
  absl::StatusOr<Candidate> ExamineAhead(train::Task& task, model::Model& model,
                                         const absl::optional<SourceRecord>& record,
                                         train::StopSignal& stop) const;

  const data::Dataset& target_sample() const { return target_; }
  const at::Tensor& target_rows() const { return rows_; }  // int64: its samples in the target
  const std::vector<data::Dataset>& held_out_samples() const { return held_out_; }
  bool has_source() const { return !held_out_.empty(); }
  int64_t guard_labels() const { return guard_labels_ ? guard_labels_->labels.numel() : 0; }
  int64_t samples() const;  // that one examination forwards

 private:
  absl::StatusOr<absl::optional<Mixtures>> SeeMixtures(model::Model& model,
                                                       const at::Tensor& predicted,
                                                       train::StopSignal& stop) const;
  // Sight::right.
  absl::StatusOr<at::Tensor> SeeLabelled(model::Model& model, train::StopSignal& stop) const;

  at::Tensor rows_;
  data::Dataset target_;  // without labels
  std::vector<data::Dataset> held_out_;
  absl::optional<GuardLabels> guard_labels_;
  at::Device device_;
  at::Tensor pairs_;  // int64 [2, P], of target samples that may be mixed
};

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_EXAMINER_H_
