// What estimators of accuracy look at: a model's outputs on an unlabelled target, and what is known
// of the model at home.
#ifndef ACCLIMATE_CORE_SELECTION_ESTIMATORS_EVIDENCE_H_
#define ACCLIMATE_CORE_SELECTION_ESTIMATORS_EVIDENCE_H_

#include <ATen/core/Tensor.h>

#include "absl/types/optional.h"
#include "core/selection/predictions.h"
#include "core/selection/source_record.h"

namespace acclimate::selection {

// What is known of a model; most knowledge last.
enum class Knowledge { kNothing, kRecord, kHeldOut };

// What estimators look at, one model on one target.
struct Evidence {
  Knowledge knowledge = Knowledge::kNothing;
  at::Tensor logits;           // double [N, C] on the CPU: of the target, divided by home's T
  at::Tensor held_out_logits;  // double [n, C], divided by T; undefined without held-out data
  at::Tensor held_out_labels;  // int64 [n]; undefined without
  SourceRecord home;           // of the held-out data where there are any; else as recorded
  // q, double [C]: what the target's class shares are taken for, half way between those at home
  // (equal ones where home's are not known) and the mean prediction. EM and BBSE find the shares
  // where nothing else moved; under every other shift they go astray, and each of the two ends
  // alone errs more than their middle.
  at::Tensor shares;
};

// logits: [N, C] of the target, on any device. held_out: of the same model, with labels. record:
// without held-out samples, of this very model: what it was worth at home. With them, of the
// checkpoint that it came from, on samples that this was not trained on; those that are held out it
// mostly was, and remembers: where it is recorded to be right less often, no model that came from
// it is taken to do better at home in any respect.
Evidence EvidenceOf(const at::Tensor& logits, const absl::optional<Predictions>& held_out,
                    const absl::optional<SourceRecord>& record);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_ESTIMATORS_EVIDENCE_H_
