// What a claim of the next job costs where many jobs are queued, beside a short queue. In one
// process: the queue over its store on the disk, without gRPC.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/base/log.h"
#include "server/jobs/job_queue.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/metrics/server_metrics.h"
#include "tests/bench/service/report.h"
#include "tests/bench/service/server_process.h"

ABSL_FLAG(int, depth, 100'000, "queued jobs of the long queue");
ABSL_FLAG(int, short_depth, 100, "queued jobs of the short queue");
ABSL_FLAG(int, tenants, 10, "tenants that they belong to");
ABSL_FLAG(int, claims, 301, "claims of each, of which the median counts");

namespace acclimate::bench {
namespace {

constexpr double kRequiredRatio = 1.5;
constexpr int kClients = 64;  // that fill a queue at a time

class FilledQueue {
 public:
  FilledQueue(const std::string& path, int depth) : path_(path) {
    Open();
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back([this, client, depth] {
        for (int i = client; i < depth; i += kClients) Create(i);
      });
    }
    for (std::thread& client : clients) client.join();
  }

  // Microseconds. The queue stays as long as it was.
  double Claim() {
    const absl::Time start = absl::Now();
    const auto lease = Require(queue_->Acquire("node", absl::ZeroDuration()), "claim");
    const double cost = absl::ToDoubleMicroseconds(absl::Now() - start);
    if (!lease.has_value()) Die("nothing is queued");
    jobs::AttemptOutcome ended;
    ended.kind = jobs::AttemptOutcome::Kind::kFailed;
    ended.cause = v1::ATTEMPT_CAUSE_DRAINED;
    if (!queue_->Finish(lease->id, ended).ok()) Die("an attempt does not end");
    return cost;
  }

  // Seconds that a restart takes to know all queued jobs again.
  double Restart() {
    queue_ = nullptr;
    store_ = nullptr;
    const absl::Time start = absl::Now();
    Open();
    if (!queue_->Recover().ok()) Die("the queue does not recover");
    return absl::ToDoubleSeconds(absl::Now() - start);
  }

 private:
  void Open() {
    store_ = Require(jobs::SqliteJobStore::Open(path_, &metrics_), "open the store");
    queue_ = std::make_unique<jobs::JobQueue>(store_.get(), &metrics_);
  }
  void Create(int i) {
    v1::JobSpec spec;
    spec.set_method("shot");
    spec.set_priority(i % 7);
    const std::string tenant = absl::StrCat("tenant-", i % absl::GetFlag(FLAGS_tenants));
    Require(queue_->Create(tenant, spec, ""), "create");
  }

  const std::string path_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<jobs::SqliteJobStore> store_;
  std::unique_ptr<jobs::JobQueue> queue_;
};

void Run() {
  SetLogLevel(LogLevel::kError);
  TemporaryDirectory directory;
  const int depth = absl::GetFlag(FLAGS_depth), short_depth = absl::GetFlag(FLAGS_short_depth);
  FilledQueue long_queue(directory.path() / "long.sqlite", depth);
  FilledQueue short_queue(directory.path() / "short.sqlite", short_depth);
  // In turns: what else the machine does meets both.
  std::vector<double> of_long, of_short;
  for (int i = 0; i < absl::GetFlag(FLAGS_claims); ++i) {
    of_long.push_back(long_queue.Claim());
    of_short.push_back(short_queue.Claim());
  }
  const double ratio = Median(of_long) / Median(of_short);
  const double restart = long_queue.Restart();
  Print({{"benchmark", "claim"},
         {"depth", depth},
         {"short_depth", short_depth},
         {"median_us", Rounded(Median(of_long), 1)},
         {"short_median_us", Rounded(Median(of_short), 1)},
         {"ratio", Rounded(ratio, 3)},
         {"required_ratio", kRequiredRatio},
         {"restart_seconds", Rounded(restart, 3)},
         {"met", ratio <= kRequiredRatio}},
        absl::StrFormat("A claim with %d queued jobs: %.0f us, %.2f times that with %d (at most "
                        "%.1f); restart in %.2f s",
                        depth, Median(of_long), ratio, short_depth, kRequiredRatio, restart));
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("The cost of a claim with a long queue beside a short one.");
  absl::ParseCommandLine(argc, argv);
  acclimate::bench::Run();
  return 0;
}
