#include "client/cli/following.h"

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/progress_view.h"
#include "client/cli/report_file.h"
#include "client/cli/report_text.h"
#include "client/cli/submission.h"
#include "client/lib/downloader.h"
#include "client/lib/error.h"
#include "client/lib/job_watcher.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

void TellHowToComeBack(const Invocation& invocation, const std::string& job,
                       const std::string& out) {
  const std::string program =
      absl::StrCat("acclimate --server ", invocation.connection.options().server, " jobs");
  const std::string id = client::LastSegment(job);
  std::fprintf(stderr,
               "Detached: job %s goes on.\n  watch it:          %s watch %s\n"
               "  fetch its results: %s get %s --out %s\n",
               id.c_str(), program.c_str(), id.c_str(), program.c_str(), id.c_str(),
               out.empty() ? "DIR" : out.c_str());
}

absl::StatusOr<FollowedJob> Watch(Invocation& invocation, client::JobWatcher& watcher,
                                  const std::string& name, int64_t after_cursor,
                                  const std::string& out) {
  absl::StatusOr<v1::Job> job = watcher.Watch(name, after_cursor);
  FollowedJob followed;
  if (job.ok()) {
    followed.job = *std::move(job);
  } else if (absl::IsCancelled(job.status())) {
    followed.detached = true;
    followed.job.set_name(name);
    TellHowToComeBack(invocation, name, out);
  } else {
    return job.status();
  }
  return followed;
}

std::string MetricsText(const v1::JobResult& result) {
  std::string text;
  const std::map<std::string, double> sorted(result.metrics().begin(), result.metrics().end());
  for (const auto& [name, value] : sorted) {
    absl::StrAppendFormat(&text, "  %-20s %.6g\n", name, value);
  }
  return text;
}

// What the fetched report concludes; empty where there is none, or none in words.
std::string VerdictText(const std::string& out, const std::map<std::string, std::string>& files) {
  if (files.count("report.json") == 0) return "";
  const absl::StatusOr<Json> report = ReadReport(out);
  if (!report.ok() || !report->contains("verdict") || !(*report)["verdict"].is_string()) return "";
  return absl::StrCat(Wrapped((*report)["verdict"].get<std::string>()), "\n");
}

}  // namespace

absl::StatusOr<FollowedJob> SubmitAndFollow(Invocation& invocation, const v1::JobSpec& spec,
                                            const std::string& out) {
  ProgressView view;
  client::JobWatcher watcher(invocation.connection,
                             [&](const v1::JobEvent& event) { view.ShowEvent(event); });
  Interrupt::Scope detach_on_interrupt(invocation.interrupt, [&] { watcher.Cancel(); });
  absl::StatusOr<v1::Job> job = CreateJob(invocation.connection, spec);
  if (!job.ok()) return job.status();
  view.Note(absl::StrCat("job ", client::LastSegment(job->name()), " (", spec.method(), ")"));
  return Watch(invocation, watcher, job->name(), 0, out);
}

absl::StatusOr<FollowedJob> Follow(Invocation& invocation, const std::string& job,
                                   int64_t after_cursor, const std::string& out) {
  ProgressView view;
  client::JobWatcher watcher(invocation.connection,
                             [&](const v1::JobEvent& event) { view.ShowEvent(event); });
  Interrupt::Scope detach_on_interrupt(invocation.interrupt, [&] { watcher.Cancel(); });
  return Watch(invocation, watcher, job, after_cursor, out);
}

absl::StatusOr<std::map<std::string, std::string>> FetchResult(Invocation& invocation,
                                                               const v1::Job& job,
                                                               const std::string& out) {
  absl::Status made = client::MakeDirectories(out);
  if (!made.ok()) return made;
  ProgressView view;
  client::Downloader downloader(invocation.connection,
                                [&](const std::string& path, int64_t done, int64_t total) {
                                  view.ShowTransfer("downloading", path, done, total);
                                });
  std::map<std::string, std::string> paths;
  for (const v1::OutputFile& file : job.result().files()) {
    if (absl::StrContains(file.name(), '/') || absl::StartsWith(file.name(), ".")) {
      return absl::DataLossError(
          absl::StrCat("the server names a result file \"", file.name(), "\""));
    }
    const std::string path = absl::StrCat(out, "/", file.name());
    absl::Status status = downloader.Download(file.blob(), path);
    if (!status.ok()) return status;
    paths[file.name()] = path;
  }
  return paths;
}

Json JobSummaryJson(const v1::Job& job) {
  Json summary = {{"job", job.name()}};
  if (job.state() != v1::JOB_STATE_UNSPECIFIED) {
    summary["state"] = client::StateName(job.state());
    summary["method"] = job.spec().method();
  }
  if (job.has_result()) {
    summary["metrics"] =
        std::map<std::string, double>(job.result().metrics().begin(), job.result().metrics().end());
    summary["warnings"] =
        std::vector<std::string>(job.result().warnings().begin(), job.result().warnings().end());
  }
  if (job.has_error()) {
    summary["error"] = ErrorJson(client::FromProto(job.error()));
    if (!job.attempts().empty()) {
      summary["attempt"] = MessageJson(*job.attempts().rbegin());
    }
  }
  return summary;
}

std::string FailureText(const v1::Job& job) {
  std::string text = client::ErrorText(client::FromProto(job.error()));
  if (job.attempts().empty()) return text;
  const v1::Attempt& last = *job.attempts().rbegin();
  if (!last.last_phase().empty()) absl::StrAppend(&text, "\n  phase: ", last.last_phase());
  if (last.signal() != 0) absl::StrAppend(&text, "\n  signal: ", last.signal());
  if (!last.stderr_tail().empty()) {
    absl::StrAppend(&text, "\n  the end of the worker's stderr:\n", last.stderr_tail());
  }
  return text;
}

absl::StatusOr<ExitCode> Conclude(Invocation& invocation, const FollowedJob& followed,
                                  const std::string& out) {
  const v1::Job& job = followed.job;
  Json summary = JobSummaryJson(job);
  if (followed.detached) {
    summary["detached"] = true;
    if (invocation.json) PrintJson(summary);
    return kInterrupted;
  }
  if (job.state() != v1::JOB_STATE_SUCCEEDED) {
    std::fprintf(stderr, "acclimate: job %s %s%s%s\n", client::LastSegment(job.name()).c_str(),
                 client::StateName(job.state()).c_str(), job.has_error() ? ": " : "",
                 job.has_error() ? FailureText(job).c_str() : "");
    if (invocation.json) PrintJson(summary);
    return kFailed;
  }
  std::map<std::string, std::string> files;
  if (!out.empty()) {
    absl::StatusOr<std::map<std::string, std::string>> fetched = FetchResult(invocation, job, out);
    if (!fetched.ok()) return fetched.status();
    files = *std::move(fetched);
  }
  if (invocation.json) {
    summary["files"] = files;
    PrintJson(summary);
    return kSuccess;
  }
  PrintText(VerdictText(out, files));
  PrintText(MetricsText(job.result()));
  for (const auto& [name, path] : files) PrintText(absl::StrCat("  ", path, "\n"));
  return kSuccess;
}

absl::StatusOr<ExitCode> RunJob(Invocation& invocation, const v1::JobSpec& spec) {
  const std::string out = invocation.arguments.Text("out");
  if (invocation.arguments.Has("detach")) {
    absl::StatusOr<v1::Job> job = CreateJob(invocation.connection, spec);
    if (!job.ok()) return job.status();
    if (invocation.json) {
      PrintJson(JobSummaryJson(*job));
    } else {
      PrintText(client::LastSegment(job->name()) + "\n");
    }
    return kSuccess;
  }
  absl::StatusOr<FollowedJob> followed = SubmitAndFollow(invocation, spec, out);
  if (!followed.ok()) return followed.status();
  return Conclude(invocation, *followed, out);
}

absl::StatusOr<ExitCode> RunJobAndPrint(Invocation& invocation, const v1::JobSpec& spec,
                                        PrintJob print) {
  if (invocation.arguments.Has("detach")) return RunJob(invocation, spec);
  absl::StatusOr<FollowedJob> followed =
      SubmitAndFollow(invocation, spec, invocation.arguments.Text("out"));
  if (!followed.ok()) return followed.status();
  if (followed->detached || followed->job.state() != v1::JOB_STATE_SUCCEEDED) {
    return Conclude(invocation, *followed, "");
  }
  return print(invocation, followed->job);
}

}  // namespace acclimate::cli
