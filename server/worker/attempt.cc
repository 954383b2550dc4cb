#include "server/worker/attempt.h"

#include <unistd.h>

#include <cstdio>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "acclimate/v1/worker.pb.h"
#include "core/io/atomic_file.h"
#include "core/job/run.h"
#include "server/protocol/attempt_id.h"
#include "server/protocol/exit_codes.h"
#include "server/protocol/message_limits.h"
#include "server/protocol/valid_utf8.h"
#include "server/worker/assignment.h"
#include "server/worker/progress_reporter.h"

namespace acclimate::worker {
namespace {

// Listens for what the node wants of a running attempt. Ends with the process.
void ObeyNode(const v1::AttemptId& id, protocol::Channel& channel, ProgressReporter& reporter) {
  v1::NodeToWorker message;
  while (channel.Receive(message).ok()) {
    if (!protocol::SameAttempt(message.id(), id)) {
      std::fprintf(stderr, "refused a message for another attempt\n");
    } else if (message.has_cancel()) {
      reporter.Request(job::Directive::kCancel);
    } else if (message.has_pause()) {
      reporter.Request(job::Directive::kPause);
    } else if (message.has_exit()) {
      _exit(0);
    } else {
      std::fprintf(stderr, "refused a second assignment\n");
    }
  }
  _exit(protocol::kExitNodeGone);
}

v1::WorkerFinished::Outcome ToProto(job::RunResult::Outcome outcome) {
  switch (outcome) {
    case job::RunResult::Outcome::kFinished:
      return v1::WorkerFinished::SUCCEEDED;
    case job::RunResult::Outcome::kCancelled:
      return v1::WorkerFinished::CANCELLED;
    case job::RunResult::Outcome::kPaused:
      return v1::WorkerFinished::PAUSED;
  }
  return v1::WorkerFinished::OUTCOME_UNSPECIFIED;
}

v1::WorkerFinished Finished(const absl::StatusOr<job::RunResult>& result) {
  v1::WorkerFinished finished;
  if (!result.ok()) {
    finished.set_outcome(v1::WorkerFinished::FAILED);
    finished.mutable_error()->set_code(result.status().raw_code());
    finished.mutable_error()->set_message(
        protocol::ValidUtf8(result.status().message().substr(0, protocol::kMaxErrorBytes)));
    finished.set_disk_full(io::IsDiskFull(result.status()));
    return finished;
  }
  finished.set_outcome(ToProto(result->outcome));
  for (const std::string& file : result->files) finished.add_files(file);
  finished.mutable_metrics()->insert(result->metrics.begin(), result->metrics.end());
  finished.set_precision(result->precision);
  return finished;
}

// As job::Run(). A state that cannot be read is none of the client's making, and costs time only:
// the job begins anew.
absl::StatusOr<job::RunResult> Run(job::RunSpec spec, ProgressReporter& reporter) {
  absl::StatusOr<job::RunResult> result = job::Run(spec, reporter);
  if (spec.resume_state == nullptr ||
      !absl::StartsWith(result.status().message(), "resume_state:")) {
    return result;
  }
  reporter.OnWarning(absl::StrCat("the job begins anew, its saved state cannot be used: ",
                                  result.status().message()));
  spec.resume_state = nullptr;
  return job::Run(spec, reporter);
}

}  // namespace

int ServeOneAttempt(protocol::Channel& channel) {
  v1::NodeToWorker message;
  if (!channel.Receive(message).ok()) return protocol::kExitNodeGone;
  if (message.has_exit()) return 0;
  if (!message.has_assignment()) {
    std::fprintf(stderr, "the first message is no assignment\n");
    return protocol::kExitNodeGone;
  }
  ProgressReporter reporter(message.id(), channel);
  absl::StatusOr<job::RunSpec> spec = ToRunSpec(message.assignment(), channel.TakeDescriptors());
  std::thread(ObeyNode, message.id(), std::ref(channel), std::ref(reporter)).detach();
  const absl::StatusOr<job::RunResult> result =
      spec.ok() ? Run(*std::move(spec), reporter) : spec.status();
  reporter.Flush();
  v1::WorkerToNode last;
  *last.mutable_finished() = Finished(result);
  reporter.Send(std::move(last));
  return 0;
}

}  // namespace acclimate::worker
