// How long a scrape of /metrics takes where many tenants have jobs.
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tests/bench/service/report.h"
#include "tests/bench/service/server_process.h"
#include "tests/bench/service/small_job.h"

ABSL_FLAG(int, tenants, 1000, "tenants");
ABSL_FLAG(int, jobs, 10, "jobs of each, all queued");
ABSL_FLAG(int, scrapes, 30, "scrapes, of which the median counts");

namespace acclimate::bench {
namespace {

constexpr double kRequiredMilliseconds = 20;
constexpr char kToken[] = "of-the-benchmark";
constexpr char kTokenHash[] = "4670d61b4c8a4b7aadb9238932746832c87381bcffb4f98ce3b2d7f3fcac3a94";

struct Scrape {
  double milliseconds = 0;
  double bytes = 0;
};

Scrape ScrapeOnce(const std::string& address) {
  const std::string command = absl::StrCat(
      "curl -sf -o /dev/null -w '%{time_total} %{size_download}' http://", address, "/metrics");
  std::FILE* const pipe = popen(command.c_str(), "r");
  char line[128] = "";
  if (pipe == nullptr || std::fgets(line, sizeof(line), pipe) == nullptr || pclose(pipe) != 0) {
    Die("curl: no answer from " + address);
  }
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  Scrape scrape;
  double seconds = 0;
  if (words.size() != 2 || !absl::SimpleAtod(words[0], &seconds) ||
      !absl::SimpleAtod(words[1], &scrape.bytes)) {
    Die(absl::StrCat("curl says ", line));
  }
  scrape.milliseconds = 1000 * seconds;
  return scrape;
}

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
  std::ofstream(access) << "benchmark token-sha256:" << kTokenHash << " *:admin\n";
  const auto server =
      ServerProcess::Acclimated(directory.path(), {"--slots", "0", "--access-file", access});
  for (int i = 0; i < absl::GetFlag(FLAGS_tenants); ++i) {
    FillTenant(*server, absl::StrCat("tenant-", i), directory.path());
  }
  std::vector<double> milliseconds, bytes;
  for (int i = 0; i < absl::GetFlag(FLAGS_scrapes); ++i) {
    const Scrape scrape = ScrapeOnce(server->metrics_address());
    milliseconds.push_back(scrape.milliseconds);
    bytes.push_back(scrape.bytes);
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
