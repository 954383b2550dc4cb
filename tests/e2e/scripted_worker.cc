// In place of acclimate-worker: a worker that does what its name says, for tests of what a node
// makes of it. A test links it as "worker-<script>".
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "acclimate/v1/worker.pb.h"
#include "server/worker/channel.h"
#include "server/worker/message_limits.h"

namespace acclimate::worker {
namespace {

constexpr int kChannelFd = 3;

v1::WorkerToNode Ready(const std::string& script) {
  v1::WorkerToNode message;
  v1::WorkerReady& ready = *message.mutable_ready();
  ready.set_libtorch_version("none");
  ready.set_device("cpu");
  for (const char* measure :
       {"no_new_privs", "capabilities", "rlimits", "network", "landlock", "seccomp"}) {
    (*ready.mutable_sandbox())[measure] =
        script == absl::StrCat("without-", measure) ? "off: this kernel lacks it" : "on";
  }
  return message;
}

class Script {
 public:
  Script(Channel& channel, const v1::NodeToWorker& assignment)
      : channel_(channel),
        id_(assignment.id()),
        scratch_(assignment.assignment().scratch_directory()) {}

  int Run(const std::string& script) {
    if (script == "large-warnings") return Warn(size_t{4} << 20);
    if (script == "many-warnings") return Warn(200 << 10);
    if (script == "many-metrics") return ReportMetrics();
    if (script == "many-threads") return StartThreads();
    if (script == "large-files") return WriteFiles();
    v1::WorkerToNode message;
    message.mutable_finished()->set_outcome(v1::WorkerFinished::SUCCEEDED);
    return Send(std::move(message));
  }

 private:
  int Send(v1::WorkerToNode message) {
    *message.mutable_id() = id_;
    return channel_.Send(message).ok() ? EXIT_SUCCESS : EXIT_FAILURE;
  }

  int Warn(size_t bytes) {
    for (int i = 0; i < 101; ++i) {
      v1::WorkerToNode message;
      message.set_warning(std::string(bytes - 128, 'w'));
      if (Send(std::move(message)) != EXIT_SUCCESS) return EXIT_FAILURE;
    }
    return Run("");
  }

  int ReportMetrics() {
    v1::WorkerToNode message;
    v1::Progress& progress = *message.mutable_progress();
    progress.set_phase("training");
    for (int i = 0; i < kMaxMetrics; ++i) {
      (*progress.mutable_metrics())[absl::StrCat(i, std::string(500, 'm'))] = i;
    }
    return Send(std::move(message));
  }

  // What follows never ends by itself.
  static int StartThreads() {
    for (int i = 0; i < 200; ++i) std::thread([] { pause(); }).detach();
    pause();
    return EXIT_FAILURE;
  }

  // Each is small enough for itself.
  int WriteFiles() {
    for (int i = 0; i < 64; ++i) {
      std::ofstream(absl::StrCat(scratch_, "/", i)) << std::string(1 << 20, 'x');
    }
    pause();
    return EXIT_FAILURE;
  }

  Channel& channel_;
  const v1::AttemptId id_;
  const std::string scratch_;
};

int Main(const std::string& program) {
  const std::string script = program.substr(program.rfind("worker-") + 7);
  Channel channel(UniqueFd(kChannelFd), Channel::Descriptors::kAccept);
  if (!channel.Send(Ready(script)).ok()) return EXIT_FAILURE;
  v1::NodeToWorker assignment;
  if (!channel.Receive(assignment).ok()) return EXIT_FAILURE;
  const int code = Script(channel, assignment).Run(script);
  // Until the node has read it all.
  v1::NodeToWorker more;
  while (code == EXIT_SUCCESS && channel.Receive(more).ok()) {
  }
  return code;
}

}  // namespace
}  // namespace acclimate::worker

int main(int, char** argv) { return acclimate::worker::Main(argv[0]); }
