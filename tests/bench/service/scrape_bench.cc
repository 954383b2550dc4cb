// How long a scrape of /metrics takes where many tenants have jobs.
#include <fstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/artifacts/sha256.h"
#include "tests/bench/service/report.h"
#include "tests/bench/service/server_process.h"
#include "tests/bench/service/small_job.h"
#include "tests/http_client.h"

ABSL_FLAG(int, tenants, 1000, "tenants");
ABSL_FLAG(int, jobs, 10, "jobs of each, all queued");
ABSL_FLAG(int, scrapes, 30, "scrapes, of which the median counts");

namespace acclimate::bench {
namespace {

constexpr double kRequiredMilliseconds = 20;
constexpr char kToken[] = "of-the-benchmark";

void FillTenant(const ServerProcess& server, const std::string& tenant,
                const std::filesystem::path& directory) {
  client::Connection connection(
      {.server = server.address(), .tenant = tenant, .credentials = {.token = kToken}});
  v1::CreateJobRequest request = PrepareSmallJob(connection, directory);
  for (int i = 0; i < absl::GetFlag(FLAGS_jobs); ++i) {
    Require(connection.Call<v1::Job>(connection.jobs(), &v1::JobService::Stub::CreateJob, request),
            "CreateJob");
  }
}

void Run() {
  TemporaryDirectory directory;
  const std::string access = directory.path() / "access";
  std::ofstream(access) << "benchmark token-sha256:" << artifacts::Sha256Of(kToken) << " *:admin\n";
  const auto server =
      ServerProcess::Acclimated(directory.path(), {"--slots", "0", "--access-file", access});
  for (int i = 0; i < absl::GetFlag(FLAGS_tenants); ++i) {
    FillTenant(*server, absl::StrCat("tenant-", i), directory.path());
  }
  std::vector<double> milliseconds, bytes;
  for (int i = 0; i < absl::GetFlag(FLAGS_scrapes); ++i) {
    const absl::Time start = absl::Now();
    const HttpAnswer answer = HttpGet(server->metrics_address(), "/metrics");
    milliseconds.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
    if (answer.status != 200) Die("no answer from " + server->metrics_address());
    bytes.push_back(static_cast<double>(answer.body.size()));
  }
  const double median = Median(milliseconds);
  Print({{"benchmark", "scrape"},
         {"tenants", absl::GetFlag(FLAGS_tenants)},
         {"jobs", absl::GetFlag(FLAGS_tenants) * absl::GetFlag(FLAGS_jobs)},
         {"bytes", Median(bytes)},
         {"median_ms", Rounded(median, 2)},
         {"required_ms", kRequiredMilliseconds},
         {"met", median <= kRequiredMilliseconds}},
        absl::StrFormat("A scrape with %d tenants: %.1f ms, %.0f KiB (required: %.0f ms)",
                        absl::GetFlag(FLAGS_tenants), median, Median(bytes) / 1024,
                        kRequiredMilliseconds));
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("The time of a scrape of /metrics with many tenants.");
  absl::ParseCommandLine(argc, argv);
  acclimate::bench::Run();
  return 0;
}
