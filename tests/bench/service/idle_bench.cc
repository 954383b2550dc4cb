// What the server costs before it does anything: the time from exec to listening, and the memory
// that is resident while it is idle.
#include <fstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tests/bench/service/report.h"
#include "tests/bench/service/server_process.h"
#include "tests/process_usage.h"

ABSL_FLAG(int, starts, 7, "starts of the server, each in a new data directory");
ABSL_FLAG(absl::Duration, idle, absl::Seconds(5),
          "how long the server idles before its memory is "
          "read");

namespace acclimate::bench {
namespace {

constexpr double kRequiredSeconds = 0.2;
constexpr double kRequiredMebibytes = 60;

double ResidentMebibytes(pid_t pid) {
  return Require(UsageOf(pid), "its memory").resident_mebibytes();
}

std::vector<pid_t> Children(pid_t pid) {
  std::vector<pid_t> children;
  for (const auto& thread :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"))) {
    std::ifstream list(thread.path() / "children");
    for (pid_t child; list >> child;) children.push_back(child);
  }
  return children;
}

double StartSeconds() {
  TemporaryDirectory directory;
  return absl::ToDoubleSeconds(ServerProcess::Acclimated(directory.path())->start_time());
}

void Run() {
  std::vector<double> starts;
  for (int i = 0; i < absl::GetFlag(FLAGS_starts); ++i) starts.push_back(StartSeconds());
  TemporaryDirectory directory;
  const auto server = ServerProcess::Acclimated(directory.path());
  absl::SleepFor(absl::GetFlag(FLAGS_idle));
  const double resident = ResidentMebibytes(server->pid());
  Json workers = Json::array();
  for (pid_t worker : Children(server->pid())) {
    workers.push_back(Rounded(ResidentMebibytes(worker), 1));
  }
  const double start = Median(starts);
  Print({{"benchmark", "idle"},
         {"start_seconds", Rounded(start, 3)},
         {"required_start_seconds", kRequiredSeconds},
         {"resident_mebibytes", Rounded(resident, 1)},
         {"required_resident_mebibytes", kRequiredMebibytes},
         {"worker_resident_mebibytes", workers},
         {"met", start < kRequiredSeconds && resident < kRequiredMebibytes}},
        absl::StrFormat("start to listening %.3f s (required: < %.1f s), idle %.1f MiB resident "
                        "(required: < %.0f MiB), beside it %d warm workers",
                        start, kRequiredSeconds, resident, kRequiredMebibytes, workers.size()));
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Start-up time and idle memory of the server.");
  absl::ParseCommandLine(argc, argv);
  acclimate::bench::Run();
  return 0;
}
