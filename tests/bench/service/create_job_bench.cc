// How many jobs one flush of the disk makes durable, with many clients that create them at once.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/bench/service/report.h"
#include "tests/bench/service/server_process.h"
#include "tests/bench/service/small_job.h"
#include "tests/http_client.h"

ABSL_FLAG(int, clients, 64, "clients that create jobs at once");
ABSL_FLAG(int, jobs, 3200, "jobs, of all clients together");

namespace acclimate::bench {
namespace {

constexpr double kRequired = 5;

double ReadMetric(const ServerProcess& server, const std::string& name) {
  const HttpAnswer answer = HttpGet(server.metrics_address(), "/metrics");
  for (const absl::string_view line : absl::StrSplit(answer.body, '\n')) {
    double value = 0;
    if (absl::StartsWith(line, name + " ") &&
        absl::SimpleAtod(line.substr(name.size() + 1), &value)) {
      return value;
    }
  }
  Die("no metric " + name);
}

void Run() {
  const int clients = absl::GetFlag(FLAGS_clients), jobs = absl::GetFlag(FLAGS_jobs);
  TemporaryDirectory directory;
  const auto server =
      ServerProcess::Acclimated(directory.path(), {"--slots", "0", "--tenant-call-rate", "0"});
  client::Connection connection({.server = server->address()});
  const v1::CreateJobRequest request = PrepareSmallJob(connection, directory.path());
  const std::string commits = "acclimate_store_commit_seconds_count";
  const double commits_before = ReadMetric(*server, commits);
  std::atomic<int> left = jobs;
  const absl::Time start = absl::Now();
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      const auto stub = v1::JobService::NewStub(server->NewChannel());
      while (left-- > 0) {
        grpc::ClientContext context;
        v1::Job job;
        Require(stub->CreateJob(&context, request, &job), "CreateJob");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  // A commit is one flush of the log.
  const double ratio = jobs / (ReadMetric(*server, commits) - commits_before);
  Print({{"benchmark", "create_job"},
         {"clients", clients},
         {"jobs", jobs},
         {"jobs_a_second", Rounded(jobs / seconds, 0)},
         {"jobs_a_flush", Rounded(ratio, 2)},
         {"required", kRequired},
         {"met", ratio >= kRequired}},
        absl::StrFormat("%d clients: %.1f jobs become durable with each flush (required: >= %.0f)",
                        clients, ratio, kRequired));
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Jobs that one flush of the disk makes durable.");
  absl::ParseCommandLine(argc, argv);
  acclimate::bench::Run();
  return 0;
}
