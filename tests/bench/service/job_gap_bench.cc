// How long a slot is idle between two jobs: from the end of one to the moment when the worker of
// the next begins, with a queue that is never empty.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tests/bench/service/report.h"
#include "tests/bench/service/server_process.h"
#include "tests/bench/service/small_job.h"

ABSL_FLAG(int, jobs, 12, "jobs in the queue");
ABSL_FLAG(int, epochs, 300, "of each job, which makes it last some seconds");

namespace acclimate::bench {
namespace {

constexpr double kRequiredMilliseconds = 100;

struct Times {
  absl::Time begin;  // its worker has it
  absl::Time end;
};

Times Follow(client::Connection& connection, const std::string& job) {
  grpc::ClientContext context;
  v1::WatchJobRequest watch;
  watch.set_name(job);
  auto reader = connection.jobs().WatchJob(&context, watch);
  Times times;
  v1::WatchJobResponse response;
  while (reader->Read(&response)) {
    const v1::JobEvent& event = response.event();
    const absl::Time time =
        absl::FromUnixSeconds(event.time().seconds()) + absl::Nanoseconds(event.time().nanos());
    if (event.state().to() == v1::JOB_STATE_RUNNING) times.begin = time;
    if (event.state().to() == v1::JOB_STATE_SUCCEEDED) times.end = time;
  }
  Require(reader->Finish(), "WatchJob");
  return times;
}

void Run() {
  TemporaryDirectory directory;
  const auto server = ServerProcess::Acclimated(directory.path(), {"--slots", "1"});
  client::Connection connection({.server = server->address()});
  v1::CreateJobRequest request = PrepareSmallJob(connection, directory.path());
  (*request.mutable_spec()->mutable_hyperparameters())["epochs"].set_integer(
      absl::GetFlag(FLAGS_epochs));
  AwaitWarmWorker(connection);
  std::vector<std::string> jobs;
  for (int i = 0; i < absl::GetFlag(FLAGS_jobs); ++i) {
    grpc::ClientContext context;
    v1::Job job;
    Require(connection.jobs().CreateJob(&context, request, &job), "CreateJob");
    jobs.push_back(job.name());
  }
  std::vector<double> gaps, lengths;
  absl::Time last_end = absl::InfiniteFuture();
  for (const std::string& job : jobs) {
    const Times times = Follow(connection, job);
    if (last_end < times.begin) gaps.push_back(absl::ToDoubleMilliseconds(times.begin - last_end));
    lengths.push_back(absl::ToDoubleSeconds(times.end - times.begin));
    last_end = times.end;
  }
  const double median = Median(gaps);
  Print({{"benchmark", "job_gap"},
         {"jobs", jobs.size()},
         {"job_seconds", Rounded(Median(lengths), 2)},
         {"median_ms", Rounded(median, 1)},
         {"longest_ms", Rounded(*std::max_element(gaps.begin(), gaps.end()), 1)},
         {"required_ms", kRequiredMilliseconds},
         {"met", median <= kRequiredMilliseconds}},
        absl::StrFormat("a slot between two jobs: idle for %.1f ms (required: <= %.0f)", median,
                        kRequiredMilliseconds));
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("How long a slot is idle between two jobs.");
  absl::ParseCommandLine(argc, argv);
  acclimate::bench::Run();
  return 0;
}
