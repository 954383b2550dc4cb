// Is it worse on samples whose classes are known? The labels of an audit measure what the other
// rules estimate.
#include <ATen/ATen.h>

#include <vector>

#include "absl/strings/str_format.h"
#include "core/report/audit.h"
#include "core/selection/guard.h"

namespace acclimate::selection {
namespace {

// On each labelled sample: 1 where only the adapted model is right, -1 where only the source model
// is, 0 where both are or neither.
std::vector<double> Differences(const at::Tensor& adapted, const at::Tensor& source) {
  const at::Tensor differences = adapted.to(at::kDouble) - source.to(at::kDouble);
  const double* begin = differences.data_ptr<double>();
  return std::vector<double>(begin, begin + differences.numel());
}

absl::optional<Verdict> AskAudit(const GuardCase& guard_case) {
  const Candidate& adapted = guard_case.candidates[guard_case.adapted];
  const Candidate& source = guard_case.candidates[guard_case.source];
  if (!adapted.right.defined() || !source.right.defined()) return absl::nullopt;
  const int64_t labels = adapted.right.numel(), right = RightOnLabels(adapted),
                source_right = RightOnLabels(source);
  const report::AuditInterval interval = report::MeanDifference(
      Differences(adapted.right, source.right), guard_case.witnesses.target_samples);
  Verdict verdict;
  verdict.holds = right >= source_right;
  verdict.says = absl::StrFormat(
      "on %d labelled samples it is right on %d of them, the source model%s on %d: gain %.1f "
      "points (90 %% interval %.1f to %.1f)",
      labels, right,
      source.form == Form::kSourceStatistics ? " with the target's batch-norm statistics" : "",
      source_right, 100.0 * static_cast<double>(right - source_right) / static_cast<double>(labels),
      100 * interval.low, 100 * interval.high);
  return verdict;
}

}  // namespace

int64_t RightOnLabels(const Candidate& candidate) { return candidate.right.sum().item<int64_t>(); }

bool LabelsDecide(const Candidate& candidate) {
  return candidate.right.defined() && candidate.right.numel() >= kLeastLabelsToDecide;
}

GuardRule AuditRule() { return {"audit", &AskAudit}; }

}  // namespace acclimate::selection
