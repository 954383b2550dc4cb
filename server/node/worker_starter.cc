#include "server/node/worker_starter.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/instant.h"
#include "server/base/log.h"

namespace acclimate::node {
namespace {

// FAILED_PRECONDITION names what the kernel has refused, and what lets jobs run all the same.
absl::Status CheckSandbox(const v1::WorkerReady& ready) {
  for (const char* measure : {"no_new_privs", "landlock", "seccomp"}) {
    const auto found = ready.sandbox().find(measure);
    if (found != ready.sandbox().end() && found->second == "on") continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "the sandbox is not complete: ", measure, " is ",
        found == ready.sandbox().end() ? "unknown" : found->second,
        "; --require-sandbox=false runs jobs without it, and a model could then read this "
        "server's files"));
  }
  return absl::OkStatus();
}

}  // namespace

WorkerStarter::Report WorkerStarter::report() const {
  absl::MutexLock lock(&mutex_);
  return report_;
}

absl::StatusOr<std::unique_ptr<WorkerProcess>> WorkerStarter::Start(
    int wake_fd, const std::function<bool()>& stopped) {
  WorkerProcessOptions options;
  options.path = options_.worker_path;
  options.scratch_directory = absl::StrCat(options_.scratch_root, "/", ++started_);
  options.threads = options_.threads_per_slot;
  options.device = options_.device;
  options.file_size_limit_bytes = options_.scratch_limit_bytes;
  options.usage = {options_.thread_limit, options_.scratch_limit_bytes};
  absl::StatusOr<std::unique_ptr<WorkerProcess>> worker = WorkerProcess::Start(options);
  absl::Status status = worker.status();
  if (status.ok()) {
    metrics_.WorkerStarted();
    status = AwaitReady(**worker, wake_fd, stopped);
  }
  if (worker.ok() && !status.ok()) metrics_.WorkerExited("start_failed");
  absl::MutexLock lock(&mutex_);
  report_.start_error = std::string(status.message());
  if (!status.ok()) return status;
  return worker;
}

absl::Status WorkerStarter::AwaitReady(WorkerProcess& worker, int wake_fd,
                                       const std::function<bool()>& stopped) {
  const Instant start = Instant::Now();
  const Instant deadline = start + options_.warm_up_limit;
  v1::WorkerToNode message;
  while (true) {
    worker.Wait(wake_fd, deadline);
    const absl::StatusOr<bool> whole = worker.channel().TryReceive(message);
    if (stopped()) return absl::CancelledError("the node shuts down");
    if (whole.ok() && *whole) break;
    if (whole.ok() && Instant::Now() < deadline) continue;
    const bool late = whole.ok();
    if (late) worker.Kill();
    const WorkerExit exit = worker.Reap(absl::Seconds(1));
    return absl::UnavailableError(absl::StrCat(
        late ? absl::StrCat("not ready after ", absl::FormatDuration(options_.warm_up_limit))
        : exit.signal != 0 ? absl::StrCat("ended by ", SignalName(exit.signal))
                           : absl::StrCat("exited with code ", exit.exit_code),
        "; stderr: ", worker.StderrTail()));
  }
  if (!message.has_ready()) return absl::InternalError("its first message is not that it is ready");
  const absl::Status sandboxed =
      options_.require_sandbox ? CheckSandbox(message.ready()) : absl::OkStatus();
  if (sandboxed.ok()) {
    LogInfo("worker ready", {{"pid", static_cast<int64_t>(worker.pid())},
                             {"blas", message.ready().blas()},
                             {"device", message.ready().device()},
                             {"seconds", Instant::Now() - start}});
  }
  absl::MutexLock lock(&mutex_);
  report_.last_ready = message.ready();
  return sandboxed;
}

}  // namespace acclimate::node
