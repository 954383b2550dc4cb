#include "server/worker/progress_reporter.h"

#include <unistd.h>

#include <utility>

#include "absl/time/clock.h"
#include "server/protocol/exit_codes.h"
#include "server/protocol/message_limits.h"
#include "server/protocol/valid_utf8.h"

namespace acclimate::worker {

ProgressReporter::ProgressReporter(v1::AttemptId id, protocol::Channel& channel)
    : id_(std::move(id)), channel_(channel) {}

void ProgressReporter::OnPhase(const std::string& phase) {
  Flush();
  progress_.set_phase(phase);
  last_point_ = absl::InfinitePast();
  v1::WorkerToNode message;
  *message.mutable_progress() = progress_;
  Send(std::move(message));
}

void ProgressReporter::OnMetrics(const job::Progress& progress,
                                 const std::map<std::string, double>& values) {
  progress_.set_step(progress.step);
  progress_.set_total_steps(progress.total_steps);
  progress_.set_epoch(progress.epoch);
  progress_.set_total_epochs(progress.total_epochs);
  progress_.set_samples(progress.samples);
  progress_.set_step_seconds(progress.step_seconds);
  for (const auto& [name, value] : values) (*progress_.mutable_metrics())[name] = value;
  held_back_ = true;
  if (absl::Now() - last_point_ >= kMetricInterval) Flush();
}

void ProgressReporter::OnWarning(const std::string& message) {
  v1::WorkerToNode warning;
  // Longer than what is kept of it, so that the node says how much was left out.
  warning.set_warning(protocol::ValidUtf8(message.substr(0, 2 * protocol::kMaxWarningBytes)));
  Send(std::move(warning));
}

void ProgressReporter::OnTrainingState(int64_t step, const std::string& path) {
  v1::WorkerToNode message;
  message.mutable_training_state()->set_step(step);
  message.mutable_training_state()->set_file(path.substr(path.rfind('/') + 1));
  Send(std::move(message));
}

void ProgressReporter::Flush() {
  if (!held_back_) return;
  held_back_ = false;
  last_point_ = absl::Now();
  v1::WorkerToNode message;
  *message.mutable_progress() = progress_;
  Send(std::move(message));
}

void ProgressReporter::Send(v1::WorkerToNode message) {
  *message.mutable_id() = id_;
  if (!channel_.Send(message).ok()) _exit(protocol::kExitNodeGone);
}

}  // namespace acclimate::worker
