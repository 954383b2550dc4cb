#include "core/selection/estimators/evidence.h"

#include <ATen/ATen.h>

namespace acclimate::selection {
namespace {

// With half a sample more of each class, so that none is impossible; equal where none was seen.
at::Tensor SharesAtHome(const Evidence& evidence, int64_t classes) {
  at::Tensor counts = at::full({classes}, 0.5, at::kDouble);
  if (evidence.held_out_labels.defined()) {
    counts = counts + evidence.held_out_labels.bincount({}, classes).to(at::kDouble);
  }
  return counts / counts.sum();
}

}  // namespace

Evidence EvidenceOf(const at::Tensor& logits, const absl::optional<Predictions>& held_out,
                    const absl::optional<SourceRecord>& record) {
  Evidence evidence;
  if (held_out) {
    evidence.knowledge = Knowledge::kHeldOut;
    evidence.home = Measure(*held_out);
    if (record && record->accuracy < evidence.home.accuracy) {
      evidence.home = WorseOf(evidence.home, *record);
    }
    evidence.held_out_labels = held_out->labels.to(at::kCPU);
    evidence.held_out_logits =
        held_out->logits.to(at::kCPU, at::kDouble) / evidence.home.temperature;
  } else if (record) {
    evidence.knowledge = Knowledge::kRecord;
    evidence.home = *record;
  }
  evidence.logits = logits.to(at::kCPU, at::kDouble) / evidence.home.temperature;
  const at::Tensor predicted = evidence.logits.softmax(1).mean(0);
  evidence.shares = (SharesAtHome(evidence, logits.size(1)) + predicted) / 2;
  return evidence;
}

}  // namespace acclimate::selection
