#include "server/node/worker_message.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/map.h"
#include "server/protocol/message_limits.h"

namespace acclimate::node {
namespace {

constexpr int64_t kMaxSteps = int64_t{1} << 40;  // of a run

template <size_t kCount>
bool IsOneOf(absl::string_view text, const absl::string_view (&known)[kCount]) {
  return std::find(std::begin(known), std::end(known), text) != std::end(known);
}

absl::Status CheckMetrics(const google::protobuf::Map<std::string, double>& metrics) {
  if (metrics.size() > protocol::kMaxMetrics) return absl::InternalError("too many metrics");
  for (const auto& [name, value] : metrics) {
    if (name.size() > protocol::kMaxMetricNameBytes) {
      return absl::InternalError("a metric with too long a name");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFileName(const std::string& name) {
  if (name.size() <= protocol::kMaxFileNameBytes) return absl::OkStatus();
  return absl::InternalError("a file with too long a name");
}

absl::Status CheckProgress(const v1::Progress& progress) {
  static constexpr absl::string_view kPhases[] = {"loading_data", "loading_model", "preparing",
                                                  "training",     "evaluating",    "saving"};
  if (!IsOneOf(progress.phase(), kPhases)) {
    return absl::InternalError("progress in an unknown phase");
  }
  if (progress.step() < 0 || progress.step() > kMaxSteps || progress.samples() < 0 ||
      !std::isfinite(progress.step_seconds()) || progress.step_seconds() < 0) {
    return absl::InternalError("progress that cannot be");
  }
  return CheckMetrics(progress.metrics());
}

absl::Status CheckFinished(const v1::WorkerFinished& finished) {
  static constexpr absl::string_view kPrecisions[] = {"", "fp32", "bf16", "fp16"};
  if (!IsOneOf(finished.precision(), kPrecisions)) {
    return absl::InternalError("a result of an unknown precision");
  }
  if (finished.files_size() > protocol::kMaxOutputs) return absl::InternalError("too many files");
  for (const std::string& name : finished.files()) {
    if (absl::Status status = CheckFileName(name); !status.ok()) return status;
  }
  return CheckMetrics(finished.metrics());
}

}  // namespace

absl::Status CheckWorkerMessage(const v1::WorkerToNode& message) {
  switch (message.kind_case()) {
    case v1::WorkerToNode::kProgress:
      return CheckProgress(message.progress());
    case v1::WorkerToNode::kWarning:
      return absl::OkStatus();
    case v1::WorkerToNode::kTrainingState:
      return CheckFileName(message.training_state().file());
    case v1::WorkerToNode::kFinished:
      return CheckFinished(message.finished());
    default:
      return absl::InternalError("an unexpected message");
  }
}

}  // namespace acclimate::node
