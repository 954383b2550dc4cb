#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

constexpr int kLargestPage = 1000;

std::string Filter(const Arguments& arguments) {
  std::vector<std::string> terms;
  for (const char* field : {"state", "method"}) {
    if (arguments.Has(field)) terms.push_back(absl::StrCat(field, "=", arguments.Text(field)));
  }
  for (const auto& [key, value] : arguments.KeyValues("label")) {
    terms.push_back(absl::StrCat("label.", key, "=", value));
  }
  return absl::StrJoin(terms, " AND ");
}

// At most `limit` jobs, newest first.
absl::StatusOr<std::vector<v1::Job>> Fetch(client::Connection& connection,
                                           const std::string& filter, int64_t limit) {
  std::vector<v1::Job> jobs;
  v1::ListJobsRequest request;
  request.set_parent(connection.Parent());
  request.set_filter(filter);
  while (static_cast<int64_t>(jobs.size()) < limit) {
    request.set_page_size(std::min<int64_t>(limit - jobs.size(), kLargestPage));
    absl::StatusOr<v1::ListJobsResponse> page = connection.Call<v1::ListJobsResponse>(
        connection.jobs(), &v1::JobService::Stub::ListJobs, request);
    if (!page.ok()) return page.status();
    jobs.insert(jobs.end(), page->jobs().begin(), page->jobs().end());
    if (page->next_page_token().empty()) break;
    request.set_page_token(page->next_page_token());
  }
  return jobs;
}

std::string Row(const v1::Job& job) {
  std::string progress;
  if (job.progress().total_steps() > 0) {
    progress = absl::StrCat(job.progress().step(), "/", job.progress().total_steps());
  }
  return absl::StrFormat("%-34s %-11s %-11s %-19s %s\n", client::LastSegment(job.name()),
                         client::StateName(job.state()), job.spec().method(),
                         LocalTime(job.create_time()), progress);
}

absl::StatusOr<ExitCode> JobsList(Invocation& invocation) {
  absl::StatusOr<std::vector<v1::Job>> jobs =
      Fetch(invocation.connection, Filter(invocation.arguments),
            invocation.arguments.Integer("limit", 50));
  if (!jobs.ok()) return jobs.status();
  if (invocation.json) {
    Json list = Json::array();
    for (const v1::Job& job : *jobs) list.push_back(MessageJson(job));
    PrintJson({{"jobs", std::move(list)}});
    return kSuccess;
  }
  std::string text =
      absl::StrFormat("%-34s %-11s %-11s %-19s %s\n", "JOB", "STATE", "METHOD", "CREATED", "STEP");
  for (const v1::Job& job : *jobs) absl::StrAppend(&text, Row(job));
  PrintText(text);
  return kSuccess;
}

}  // namespace

Command JobsListCommand() {
  Command command;
  command.name = "jobs list";
  command.summary = "List jobs, newest first";
  command.arguments.options = {
      {"state",
       ValueKind::kText,
       "STATE",
       "only those in this state",
       false,
       false,
       {"QUEUED", "STARTING", "RUNNING", "PAUSING", "PAUSED", "CANCELLING", "SUCCEEDED", "FAILED",
        "CANCELLED"}},
      {"method", ValueKind::kText, "NAME", "only those of this method"},
      {"label", ValueKind::kKeyValue, "KEY=VALUE", "only those with this label", false, true},
      {"limit", ValueKind::kInteger, "N", "at most so many (default: 50)"},
  };
  command.run = JobsList;
  return command;
}

}  // namespace acclimate::cli
