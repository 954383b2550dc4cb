#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

absl::StatusOr<ExitCode> JobsCancel(Invocation& invocation) {
  v1::CancelJobRequest request;
  request.set_name(
      client::JobName(invocation.arguments.positionals()[0], invocation.connection.Parent()));
  absl::StatusOr<v1::Job> job = invocation.connection.Call<v1::Job>(
      invocation.connection.jobs(), &v1::JobService::Stub::CancelJob, request);
  if (!job.ok()) return job.status();
  if (invocation.json) {
    PrintJson(MessageJson(*job));
  } else {
    PrintText(
        absl::StrCat(client::LastSegment(job->name()), " ", client::StateName(job->state()), "\n"));
  }
  return kSuccess;
}

}  // namespace

Command JobsCancelCommand() {
  Command command;
  command.name = "jobs cancel";
  command.summary = "Cancel a job: a queued one at once, a running one within one training step";
  command.arguments.positionals = {{"NAME", "the job"}};
  command.run = JobsCancel;
  return command;
}

}  // namespace acclimate::cli
