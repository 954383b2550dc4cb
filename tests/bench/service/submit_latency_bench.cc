// From just before CreateJob to the event of the first training step as WatchJob brings it, with a
// warm worker; and where the time goes, by the times of the events.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/lib/names.h"
#include "tests/bench/service/report.h"
#include "tests/bench/service/server_process.h"
#include "tests/bench/service/small_job.h"

ABSL_FLAG(int, jobs, 25, "jobs, one after the other");

namespace acclimate::bench {
namespace {

constexpr double kRequiredMilliseconds = 100;

// Milestones in milliseconds since the submission, in the order in which they came.
using Timeline = std::vector<std::pair<std::string, double>>;

// Empty: not a milestone.
std::string Milestone(const v1::JobEvent& event) {
  if (event.has_state()) return client::StateName(event.state().to());
  if (!event.has_progress()) return "";
  return event.progress().step() >= 1 ? "first step" : event.progress().phase();
}

absl::Time TimeOf(const v1::JobEvent& event) {
  return absl::FromUnixSeconds(event.time().seconds()) + absl::Nanoseconds(event.time().nanos());
}

// Follows the job to its end, so that the next one finds the machine quiet.
Timeline Submit(client::Connection& connection, const v1::CreateJobRequest& request) {
  Timeline timeline;
  const absl::Time begin = absl::Now();
  auto add = [&](const std::string& name, absl::Time time) {
    timeline.emplace_back(name, absl::ToDoubleMilliseconds(time - begin));
  };
  grpc::ClientContext create_context;
  v1::Job job;
  Require(connection.jobs().CreateJob(&create_context, request, &job), "CreateJob");
  add("created", absl::Now());

  grpc::ClientContext context;
  v1::WatchJobRequest watch;
  watch.set_name(job.name());
  auto reader = connection.jobs().WatchJob(&context, watch);
  v1::WatchJobResponse response;
  bool stepped = false;
  std::string last_state;
  while (reader->Read(&response)) {
    const std::string milestone = Milestone(response.event());
    if (response.event().has_state()) last_state = milestone;
    if (stepped || milestone.empty()) continue;
    add(milestone, TimeOf(response.event()));
    stepped = milestone == "first step";
    if (stepped) add("first step seen", absl::Now());
  }
  Require(reader->Finish(), "WatchJob");
  if (!stepped || last_state != "SUCCEEDED") Die(absl::StrCat("the job ended as ", last_state));
  return timeline;
}

// Medians over the jobs that passed a milestone: the queue merges points of one phase that follow
// each other at once.
Json Milestones(const std::vector<Timeline>& timelines) {
  std::vector<std::string> names;
  std::map<std::string, std::vector<double>> times;
  for (const Timeline& timeline : timelines) {
    for (const auto& [name, milliseconds] : timeline) {
      if (times.count(name) == 0) names.push_back(name);
      times[name].push_back(milliseconds);
    }
  }
  Json milestones;
  for (const std::string& name : names) milestones[name] = Rounded(Median(times[name]), 1);
  return milestones;
}

void Run() {
  TemporaryDirectory directory;
  const auto server = ServerProcess::Acclimated(directory.path(), {"--slots", "1"});
  client::Connection connection({.server = server->address()});
  const v1::CreateJobRequest request = PrepareSmallJob(connection, directory.path());

  std::vector<Timeline> timelines;
  for (int i = 0; i < absl::GetFlag(FLAGS_jobs); ++i) {
    AwaitWarmWorker(connection);
    timelines.push_back(Submit(connection, request));
  }
  std::vector<double> totals;
  for (const Timeline& timeline : timelines) totals.push_back(timeline.back().second);
  const double median = Median(totals);
  const double slowest = *std::max_element(totals.begin(), totals.end());
  Print({{"benchmark", "submit_latency"},
         {"jobs", timelines.size()},
         {"median_ms", Rounded(median, 1)},
         {"slowest_ms", Rounded(slowest, 1)},
         {"required_ms", kRequiredMilliseconds},
         {"met", median < kRequiredMilliseconds},
         {"median_ms_since_submission", Milestones(timelines)}},
        absl::StrFormat("submission to first training step, %d jobs: median %.1f ms, slowest %.1f "
                        "ms (required: median < %.0f ms)",
                        timelines.size(), median, slowest, kRequiredMilliseconds));
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("From a job's submission to its first training step.");
  absl::ParseCommandLine(argc, argv);
  acclimate::bench::Run();
  return 0;
}
