// Many watchers of one job, some of whom read nothing: what an event takes to reach the others, and
// what the server needs for them all.
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "acclimate/v1/job_service.grpc.pb.h"
#include "tests/bench/service/report.h"
#include "tests/bench/service/server_process.h"
#include "tests/bench/service/small_job.h"
#include "tests/job_watchers.h"
#include "tests/process_usage.h"

ABSL_FLAG(int, watchers, 1000, "watchers that read");
ABSL_FLAG(int, slow, 200, "watchers that read nothing");
ABSL_FLAG(int, epochs, 200, "of the job");

namespace acclimate::bench {
namespace {

constexpr int kWatchersOfAChannel = 200;
constexpr double kRequiredMilliseconds = 50;
constexpr double kRequiredMebibytes = 200;

std::string Create(client::Connection& connection, v1::CreateJobRequest request, int epochs) {
  (*request.mutable_spec()->mutable_hyperparameters())["epochs"].set_integer(epochs);
  grpc::ClientContext context;
  v1::Job job;
  Require(connection.jobs().CreateJob(&context, request, &job), "CreateJob");
  return job.name();
}

ProcessUsage Usage(const ServerProcess& server) {
  return Require(UsageOf(server.pid()), "what the server uses");
}

void Cancel(client::Connection& connection, const std::string& job) {
  grpc::ClientContext context;
  v1::CancelJobRequest request;
  request.set_name(job);
  v1::Job cancelled;
  Require(connection.jobs().CancelJob(&context, request, &cancelled), "CancelJob");
}

void Run() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as the server
  const int watchers = absl::GetFlag(FLAGS_watchers), slow = absl::GetFlag(FLAGS_slow);
  TemporaryDirectory directory;
  const auto server =
      ServerProcess::Acclimated(directory.path(), {"--slots", "1", "--streams-per-client", "0"});
  client::Connection connection({.server = server->address()});
  const v1::CreateJobRequest request = PrepareSmallJob(connection, directory.path());
  AwaitWarmWorker(connection);
  // The watched job begins when all watch.
  const std::string first = Create(connection, request, 100'000);
  v1::WatchJobRequest watch;
  watch.set_name(Create(connection, request, absl::GetFlag(FLAGS_epochs)));

  const ProcessUsage before = Usage(*server);
  std::vector<std::unique_ptr<v1::JobService::Stub>> stubs;
  for (int i = 0; i <= (watchers + slow) / kWatchersOfAChannel; ++i) {
    stubs.push_back(v1::JobService::NewStub(server->NewChannel()));
  }
  absl::BlockingCounter begun(watchers), ended(watchers), slow_ended(slow);
  std::vector<std::unique_ptr<JobReader>> readers;
  std::vector<std::unique_ptr<DeafWatcher>> others;
  for (int i = 0; i < watchers + slow; ++i) {
    v1::JobService::Stub& stub = *stubs[i / kWatchersOfAChannel];
    if (i < watchers) {
      readers.push_back(std::make_unique<JobReader>(stub, watch, begun, ended));
    } else {
      others.push_back(std::make_unique<DeafWatcher>(stub, watch, slow_ended));
    }
  }
  begun.Wait();
  const absl::Duration idle_before = Usage(*server).processor_time;
  absl::SleepFor(absl::Seconds(2));
  const ProcessUsage idle = Usage(*server);
  Cancel(connection, first);
  ended.Wait();
  const ProcessUsage after = Usage(*server);
  for (const auto& other : others) other->Cancel();
  slow_ended.Wait();

  std::vector<absl::Duration> states, points;
  for (const auto& reader : readers) {
    Require(reader->status(), "WatchJob");
    if (reader->out_of_order() > 0 || reader->cursor() != readers.front()->cursor()) {
      Die("a watcher lost events");
    }
    states.insert(states.end(), reader->states().begin(), reader->states().end());
    points.insert(points.end(), reader->others().begin(), reader->others().end());
  }
  const double p99 = absl::ToDoubleMilliseconds(Percentile(states, 0.99));
  Print({{"benchmark", "watchers"},
         {"watchers", watchers},
         {"slow", slow},
         {"events_each", readers.front()->cursor()},
         {"state_p50_ms", Rounded(absl::ToDoubleMilliseconds(Percentile(states, 0.5)), 1)},
         {"state_p99_ms", Rounded(p99, 1)},
         {"point_p99_ms", Rounded(absl::ToDoubleMilliseconds(Percentile(points, 0.99)), 1)},
         {"required_ms", kRequiredMilliseconds},
         {"resident_mebibytes", Rounded(after.resident_mebibytes(), 1)},
         {"resident_mebibytes_before", Rounded(before.resident_mebibytes(), 1)},
         {"threads", after.threads},
         {"threads_before", before.threads},
         {"idle_cores", Rounded(absl::ToDoubleSeconds(idle.processor_time - idle_before) / 2, 3)},
         {"met", p99 <= kRequiredMilliseconds && after.resident_mebibytes() < kRequiredMebibytes}},
        absl::StrFormat("%d watchers and %d that read nothing: a state event takes %.1f ms (p99, "
                        "required: <= %.0f), the server %.0f MiB (required: < %.0f) and %d threads",
                        watchers, slow, p99, kRequiredMilliseconds, after.resident_mebibytes(),
                        kRequiredMebibytes, after.threads));
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Many watchers of one job.");
  absl::ParseCommandLine(argc, argv);
  acclimate::bench::Run();
  return 0;
}
