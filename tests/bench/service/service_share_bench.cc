// What a job pays beside its training: the processor time of the server, and that of the states
// that its worker saves, as shares of the worker's own.
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "server/base/process_stat.h"
#include "tests/bench/service/report.h"
#include "tests/bench/service/server_process.h"
#include "tests/bench/service/small_job.h"

ABSL_FLAG(std::string, architecture, "lenet", "of the model that is trained");
ABSL_FLAG(int, epochs, 4000, "of each job, two steps of 32 images each");
ABSL_FLAG(int, pairs, 5, "of jobs, one that saves states and one that does not");
ABSL_FLAG(std::string, interval, "1s", "between two saved states");

namespace acclimate::bench {
namespace {

constexpr double kMostForStates = 0.02;
constexpr double kMostForService = 0.01;

// Fields of /proc/<pid>/stat: the time of children that have ended, in user and in kernel mode.
constexpr size_t kChildrenUser = 16, kChildrenSystem = 17;

struct ProcessorSeconds {
  double server = 0;
  double workers = 0;
};

ProcessorSeconds TimesOf(pid_t server) {
  const std::optional<ProcessStat> stat = ProcessStat::Read(std::to_string(server));
  if (!stat.has_value()) Die("the server has gone");
  return {absl::ToDoubleSeconds(stat->processor_time()),
          (stat->Number(kChildrenUser) + stat->Number(kChildrenSystem)) / TicksPerSecond()};
}

void Follow(client::Connection& connection, const std::string& job) {
  grpc::ClientContext context;
  v1::WatchJobRequest watch;
  watch.set_name(job);
  auto reader = connection.jobs().WatchJob(&context, watch);
  v1::WatchJobResponse response;
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  while (reader->Read(&response)) {
    if (response.event().has_state()) state = response.event().state().to();
  }
  Require(reader->Finish(), "WatchJob");
  if (state != v1::JOB_STATE_SUCCEEDED) Die("the job did not succeed");
}

// Of one job, watched by a client.
ProcessorSeconds TimesOfJob(const std::string& interval) {
  TemporaryDirectory directory;
  const auto server = ServerProcess::Acclimated(
      directory.path(),
      {"--slots", "1", "--spare-worker=false", "--checkpoint-interval=" + interval});
  client::Connection connection({.server = server->address()});
  v1::CreateJobRequest request = PrepareSmallJob(connection, directory.path());
  request.mutable_spec()->mutable_model()->set_architecture(absl::GetFlag(FLAGS_architecture));
  (*request.mutable_spec()->mutable_hyperparameters())["epochs"].set_integer(
      absl::GetFlag(FLAGS_epochs));
  AwaitWarmWorker(connection);
  const ProcessorSeconds before = TimesOf(server->pid());
  grpc::ClientContext context;
  v1::Job job;
  Require(connection.jobs().CreateJob(&context, request, &job), "CreateJob");
  Follow(connection, job.name());
  AwaitWarmWorker(connection);  // the one of the job has ended
  const ProcessorSeconds after = TimesOf(server->pid());
  return {after.server - before.server, after.workers - before.workers};
}

void Run() {
  std::vector<double> for_states, for_service, seconds;
  for (int pair = 0; pair < absl::GetFlag(FLAGS_pairs); ++pair) {
    const ProcessorSeconds with = TimesOfJob(absl::GetFlag(FLAGS_interval));
    const ProcessorSeconds without = TimesOfJob("24h");
    for_states.push_back(with.workers / without.workers - 1);
    for_service.push_back(without.server / without.workers);
    seconds.push_back(without.workers);
  }
  const double states = Median(for_states), service = Median(for_service);
  Print({{"benchmark", "service_share"},
         {"architecture", absl::GetFlag(FLAGS_architecture)},
         {"worker_seconds", Rounded(Median(seconds), 2)},
         {"states_share", Rounded(states, 4)},
         {"service_share", Rounded(service, 4)},
         {"required_states_share", kMostForStates},
         {"required_service_share", kMostForService},
         {"met", states <= kMostForStates && service <= kMostForService}},
        absl::StrFormat(
            "of a worker's processor time, saved states take %.2f %% (required: <= %.0f), "
            "the server %.2f %% (required: <= %.0f)",
            100 * states, 100 * kMostForStates, 100 * service, 100 * kMostForService));
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("What a job pays beside its training.");
  absl::ParseCommandLine(argc, argv);
  acclimate::bench::Run();
  return 0;
}
