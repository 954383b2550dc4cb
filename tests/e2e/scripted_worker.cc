// In place of acclimate-worker: a worker that does what its name says, for tests of what a node
// makes of it. A test links it as "worker-<script>".
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "acclimate/v1/worker.pb.h"
#include "server/protocol/channel.h"
#include "server/protocol/message_limits.h"
#include "server/worker/sandbox.h"

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
  Script(protocol::Channel& channel, const v1::NodeToWorker& assignment)
      : channel_(channel),
        id_(assignment.id()),
        scratch_(assignment.assignment().scratch_directory()) {}

  int Run(const std::string& script) {
    if (script == "large-warnings") return Warn(size_t{4} << 20);
    if (script == "many-warnings") return Warn(200 << 10);
    if (script == "many-metrics") return ReportMetrics();
    if (script == "many-threads") return StartThreads();
    if (script == "large-files") return WriteFiles();
    if (script == "much-memory") return TakeMemory();
    if (script == "no-memory") return RunOutOfMemory();
    if (script == "small-result") return Train(1);
    if (script == "steps") return Train(20);
    if (script == "hostile") return Attack();
    if (script == "stale") return SpeakForAnother();
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
    for (int i = 0; i < protocol::kMaxMetrics; ++i) {
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

  static int TakeMemory() {
    const std::vector<char> bytes(size_t{96} << 20, 'x');
    pause();
    return bytes.back();
  }

  // Of which the kernel gives no more.
  int RunOutOfMemory() {
    v1::WorkerToNode message;
    message.mutable_finished()->set_outcome(v1::WorkerFinished::FAILED);
    google::rpc::Status& error = *message.mutable_finished()->mutable_error();
    error.set_code(static_cast<int>(absl::StatusCode::kResourceExhausted));
    error.set_message("out of memory");
    return Send(std::move(message));
  }

  // Each is small enough for itself.
  int WriteFiles() {
    for (int i = 0; i < 64; ++i) {
      std::ofstream(absl::StrCat(scratch_, "/", i)) << std::string(1 << 20, 'x');
    }
    pause();
    return EXIT_FAILURE;
  }

  // As a job of training: steps, states that are saved, and a result of bytes that no other job
  // has.
  int Train(int steps) {
    for (int step = 1; step <= steps; ++step) {
      if (step > 1) std::this_thread::sleep_for(std::chrono::milliseconds(25));
      v1::NodeToWorker wish;
      const bool asked = channel_.TryReceive(wish).value_or(false);
      if (asked && wish.has_cancel()) return Finish(v1::WorkerFinished::CANCELLED);
      v1::WorkerToNode progress;
      progress.mutable_progress()->set_phase("training");
      progress.mutable_progress()->set_step(step);
      if (Send(std::move(progress)) != EXIT_SUCCESS) return EXIT_FAILURE;
      const bool pause = asked && wish.has_pause();
      if (pause || step % 5 == 0 || step == steps) SaveState(step);
      if (pause) return Finish(v1::WorkerFinished::PAUSED);
    }
    return Finish(v1::WorkerFinished::SUCCEEDED);
  }

  void SaveState(int step) {
    v1::WorkerToNode saved;
    saved.mutable_training_state()->set_step(step);
    saved.mutable_training_state()->set_file(WriteFile("state.safetensors"));
    Send(std::move(saved));
  }

  int Finish(v1::WorkerFinished::Outcome outcome) {
    v1::WorkerToNode message;
    message.mutable_finished()->set_outcome(outcome);
    if (outcome == v1::WorkerFinished::SUCCEEDED) {
      message.mutable_finished()->add_files(WriteFile("model.safetensors"));
    }
    return Send(std::move(message));
  }

  // As one that was stopped, and goes on after another attempt has begun.
  int SpeakForAnother() {
    v1::WorkerToNode message;
    *message.mutable_id() = id_;
    message.mutable_id()->set_epoch(id_.epoch() - 1);
    message.mutable_progress()->set_phase("training");
    message.mutable_progress()->set_step(1000);
    return channel_.Send(message).ok() ? Run("") : EXIT_FAILURE;
  }

  // What a model that has taken its worker over may try.
  int Attack() {
    const auto try_to = [this](const char* what, bool done) {
      v1::WorkerToNode message;
      message.set_warning(absl::StrCat(what, done ? ": done" : ": refused"));
      return Send(std::move(message));
    };
    const std::string store = scratch_ + "/../../jobs.sqlite", mine = scratch_ + "/mine";
    try_to("read /etc/passwd", open("/etc/passwd", O_RDONLY) >= 0);
    try_to("read the server's files", open(store.c_str(), O_RDONLY) >= 0);
    try_to("write elsewhere", open("/tmp/acclimate-hostile", O_WRONLY | O_CREAT, 0600) >= 0);
    try_to("connect", Connects());
    try_to("exec", execl("/bin/true", "true", nullptr) == 0);
    try_to("fork", fork() >= 0);
    try_to("signal the server", kill(getppid(), 0) == 0);
    try_to("trace the server", ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr) == 0);
    try_to("write in scratch", open(mine.c_str(), O_WRONLY | O_CREAT, 0600) >= 0);
    return Run("");
  }

  static bool Connects() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(50051);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // One that is refused by the other side would have left this machine.
    return fd >= 0 && (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 ||
                       errno == ECONNREFUSED);
  }

  std::string WriteFile(const std::string& name) {
    std::ofstream(absl::StrCat(scratch_, "/", name))
        << name << id_.job() << std::string(50'000, 'x');
    return name;
  }

  protocol::Channel& channel_;
  const v1::AttemptId id_;
  const std::string scratch_;
};

// As acclimate-worker closes its own.
bool CloseSandbox(const std::string& scratch) {
  absl::StatusOr<Sandbox> sandbox = Sandbox::Prepare({scratch});
  if (sandbox.ok()) sandbox->Close();
  return sandbox.ok();
}

int Main(const std::vector<std::string>& arguments) {
  const std::string script = arguments[0].substr(arguments[0].rfind("worker-") + 7);
  const auto scratch = std::find(arguments.begin(), arguments.end(), "--scratch") + 1;
  if (script == "hostile" && !CloseSandbox(*scratch)) return EXIT_FAILURE;
  protocol::Channel channel(protocol::UniqueFd(kChannelFd),
                            protocol::Channel::Descriptors::kAccept);
  if (!channel.Send(Ready(script)).ok()) return EXIT_FAILURE;
  v1::NodeToWorker assignment;
  if (!channel.Receive(assignment).ok()) return EXIT_FAILURE;
  const int code = Script(channel, assignment).Run(script);
  if (script == "small-result" || script == "steps") return code;  // as acclimate-worker does
  // Until the node has read it all.
  v1::NodeToWorker more;
  while (code == EXIT_SUCCESS && channel.Receive(more).ok()) {
  }
  return code;
}

}  // namespace
}  // namespace acclimate::worker

int main(int argc, char** argv) { return acclimate::worker::Main({argv, argv + argc}); }
