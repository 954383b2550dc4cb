#include "absl/strings/str_cat.h"
#include "client/cli/command.h"
#include "client/cli/following.h"
#include "client/cli/output.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

std::string JobText(const v1::Job& job) {
  std::string text = absl::StrCat(
      "job      ", client::LastSegment(job.name()), "\nstate    ", client::StateName(job.state()),
      "\nmethod   ", job.spec().method(), "\ncreated  ", LocalTime(job.create_time()), "\n");
  if (job.has_start_time()) absl::StrAppend(&text, "started  ", LocalTime(job.start_time()), "\n");
  if (job.has_end_time()) absl::StrAppend(&text, "ended    ", LocalTime(job.end_time()), "\n");
  for (const auto& [key, value] : job.spec().labels()) {
    absl::StrAppend(&text, "label    ", key, "=", value, "\n");
  }
  if (!job.queue_reason().empty()) absl::StrAppend(&text, "waits    ", job.queue_reason(), "\n");
  if (job.progress().total_steps() > 0) {
    absl::StrAppend(&text, "step     ", job.progress().step(), "/", job.progress().total_steps(),
                    " (", job.progress().phase(), ")\n");
  }
  if (!job.result().precision().empty()) {
    absl::StrAppend(&text, "compute  ", job.result().precision(), "\n");
  }
  if (job.attempts_size() > 1) absl::StrAppend(&text, "attempts ", job.attempts_size(), "\n");
  for (const v1::OutputFile& file : job.result().files()) {
    absl::StrAppend(&text, "file     ", file.name(), "  ", ByteText(file.size_bytes()), "\n");
  }
  const std::map<std::string, double> metrics(job.result().metrics().begin(),
                                              job.result().metrics().end());
  for (const auto& [name, value] : metrics) {
    absl::StrAppend(&text, "metric   ", name, " ", value, "\n");
  }
  if (job.has_error()) absl::StrAppend(&text, "error    ", FailureText(job), "\n");
  return text;
}

absl::StatusOr<ExitCode> JobsGet(Invocation& invocation) {
  v1::GetJobRequest request;
  request.set_name(
      client::JobName(invocation.arguments.positionals()[0], invocation.connection.Parent()));
  absl::StatusOr<v1::Job> job = invocation.connection.Call<v1::Job>(
      invocation.connection.jobs(), &v1::JobService::Stub::GetJob, request);
  if (!job.ok()) return job.status();
  if (invocation.arguments.Has("out")) {
    if (!client::HasEnded(job->state())) {
      return absl::FailedPreconditionError(
          absl::StrCat("the job is ", client::StateName(job->state()),
                       "; `acclimate jobs watch` waits for its end"));
    }
    auto paths = FetchResult(invocation, *job, invocation.arguments.Text("out"));
    if (!paths.ok()) return paths.status();
  }
  if (invocation.json) {
    PrintJson(MessageJson(*job));
  } else {
    PrintText(JobText(*job));
  }
  return kSuccess;
}

}  // namespace

Command JobsGetCommand() {
  Command command;
  command.name = "jobs get";
  command.summary = "Show a job, and with --out fetch its results";
  command.arguments.positionals = {{"NAME", "the job"}};
  command.arguments.options = {
      {"out", ValueKind::kFolder, "DIR", "where the results go; made when absent"}};
  command.run = JobsGet;
  return command;
}

}  // namespace acclimate::cli
