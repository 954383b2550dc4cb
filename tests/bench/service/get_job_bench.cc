// The rate of GetJob against that of empty unary calls, in turn, over channels of the same kind:
// Health/Check of the same server, and empty methods of an idle server in a process of its own.
#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "client/lib/job_watcher.h"
#include "google/protobuf/empty.pb.h"
#include "tests/bench/service/mutual_tls.h"
#include "tests/bench/service/server_process.h"
#include "tests/bench/service/small_job.h"
#include "tests/bench/service/unary_load.h"

ABSL_FLAG(int, rounds, 7, "blocks of each kind, taken in turn");
ABSL_FLAG(absl::Duration, block, absl::Seconds(1), "length of a block");
ABSL_FLAG(int, in_flight, 32, "calls in flight");
ABSL_FLAG(bool, mutual_tls, false, "all calls under mutual TLS");

namespace acclimate::bench {
namespace {

constexpr double kRequiredRatio = 0.6, kRequiredUnderTls = 0.7;

// One that has run and succeeded: the fullest answer that GetJob gives.
v1::Job FinishedJob(const ServerProcess& server,
                    const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                    const std::filesystem::path& directory) {
  client::Connection connection(
      {.server = server.address(), .credentials = {.channel = credentials}});
  const v1::CreateJobRequest request = PrepareSmallJob(connection, directory);
  const auto created = Require(
      connection.Call<v1::Job>(connection.jobs(), &v1::JobService::Stub::CreateJob, request),
      "CreateJob");
  auto job = Require(
      client::JobWatcher(connection, [](const v1::JobEvent&) {}).Watch(created.name()), "WatchJob");
  if (job.state() != v1::JOB_STATE_SUCCEEDED) Die("the job failed: " + job.ShortDebugString());
  AwaitWarmWorker(connection);  // that loads LibTorch until then
  return job;
}

void Run() {
  const int in_flight = absl::GetFlag(FLAGS_in_flight);
  const absl::Duration block = absl::GetFlag(FLAGS_block);
  TemporaryDirectory directory;
  std::vector<std::string> flags = {"--slots", "1"}, idler_arguments;
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  std::optional<MutualTls> tls;
  if (absl::GetFlag(FLAGS_mutual_tls)) {
    tls.emplace();
    for (const std::string& flag : tls->AcclimatedFlags()) flags.push_back(flag);
    idler_arguments = tls->IdlerArguments();
    credentials = tls->Client();
  }
  const auto server = ServerProcess::Acclimated(directory.path(), flags);
  const auto idler = ServerProcess::Idler(directory.path(), idler_arguments);
  const v1::Job job = FinishedJob(*server, credentials, directory.path());

  v1::GetJobRequest get_job;
  get_job.set_name(job.name());
  const auto channel = server->NewChannel(credentials);
  const auto idle_channel = idler->NewChannel(credentials);
  UnaryLoad<v1::GetJobRequest, v1::Job> get_job_load(channel, "/acclimate.v1.JobService/GetJob",
                                                     get_job, in_flight);
  using EmptyLoad = UnaryLoad<google::protobuf::Empty, google::protobuf::Empty>;
  EmptyLoad health_load(channel, "/grpc.health.v1.Health/Check", {}, in_flight);
  EmptyLoad thread_load(idle_channel, "/acclimate.v1.AdminService/GetServerInfo", {}, in_flight);
  EmptyLoad callback_load(idle_channel, "/acclimate.v1.CatalogService/ListMethods", {}, in_flight);

  std::vector<double> get_jobs, healths, threads, callbacks;
  for (int round = 0; round <= absl::GetFlag(FLAGS_rounds); ++round) {
    const double rates[] = {get_job_load.Rate(block), health_load.Rate(block),
                            thread_load.Rate(block), callback_load.Rate(block)};
    if (round == 0) continue;  // warms both sides up
    get_jobs.push_back(rates[0]);
    healths.push_back(rates[1]);
    threads.push_back(rates[2]);
    callbacks.push_back(rates[3]);
  }
  const double rate = Median(get_jobs);
  const double empty = std::max(Median(threads), Median(callbacks));
  const double ratio = rate / empty;
  const double required = absl::GetFlag(FLAGS_mutual_tls) ? kRequiredUnderTls : kRequiredRatio;
  Print({{"benchmark", "get_job"},
         {"mutual_tls", absl::GetFlag(FLAGS_mutual_tls)},
         {"in_flight", in_flight},
         {"job_bytes", job.ByteSizeLong()},
         {"get_job_per_second", Rounded(rate, 0)},
         {"health_check_per_second", Rounded(Median(healths), 0)},
         {"empty_thread_per_second", Rounded(Median(threads), 0)},
         {"empty_callback_per_second", Rounded(Median(callbacks), 0)},
         {"ratio_to_health", Rounded(rate / Median(healths), 3)},
         {"ratio", Rounded(ratio, 3)},
         {"required_ratio", required},
         {"met", ratio >= required}},
        absl::StrFormat("GetJob %.0f/s, empty unary call %.0f/s: %.0f %% (required: %.0f %%)", rate,
                        empty, 100 * ratio, 100 * required));
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("The rate of GetJob against that of an empty unary call.");
  absl::ParseCommandLine(argc, argv);
  acclimate::bench::Run();
  return 0;
}
