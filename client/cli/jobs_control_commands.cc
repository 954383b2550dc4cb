// What tells a job to stop, to wait, or to go on.
#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/cli/submission.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

template <typename Request, typename Rpc>
absl::StatusOr<ExitCode> Control(Invocation& invocation, Rpc rpc, Request request = {}) {
  request.set_name(
      client::JobName(invocation.arguments.positionals()[0], invocation.connection.Parent()));
  absl::StatusOr<v1::Job> job =
      invocation.connection.Call<v1::Job>(invocation.connection.jobs(), rpc, request);
  if (!job.ok()) return job.status();
  if (invocation.json) {
    PrintJson(MessageJson(*job));
  } else {
    PrintText(
        absl::StrCat(client::LastSegment(job->name()), " ", client::StateName(job->state()), "\n"));
  }
  return kSuccess;
}

Command ControlCommand(const char* name, const char* summary,
                       absl::StatusOr<ExitCode> (*run)(Invocation&)) {
  Command command;
  command.name = name;
  command.summary = summary;
  command.arguments.positionals = {{"NAME", "the job"}};
  command.run = run;
  return command;
}

}  // namespace

Command JobsCancelCommand() {
  return ControlCommand(
      "jobs cancel", "Cancel a job: a queued one at once, a running one within one training step",
      [](Invocation& invocation) {
        return Control<v1::CancelJobRequest>(invocation, &v1::JobService::Stub::CancelJob);
      });
}

Command JobsPauseCommand() {
  return ControlCommand(
      "jobs pause", "Pause a job: it saves its state, and lets others have its slot",
      [](Invocation& invocation) {
        return Control<v1::PauseJobRequest>(invocation, &v1::JobService::Stub::PauseJob);
      });
}

Command JobsResumeCommand() {
  return ControlCommand(
      "jobs resume", "Let a paused job go on from where it was", [](Invocation& invocation) {
        return Control<v1::ResumeJobRequest>(invocation, &v1::JobService::Stub::ResumeJob);
      });
}

Command JobsRetryCommand() {
  return ControlCommand(
      "jobs retry", "Make a new job of one that failed or was cancelled, from its last state",
      [](Invocation& invocation) {
        v1::RetryJobRequest request;
        request.set_request_id(NewRequestId());
        return Control<v1::RetryJobRequest>(invocation, &v1::JobService::Stub::RetryJob, request);
      });
}

}  // namespace acclimate::cli
