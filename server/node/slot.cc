#include "server/node/slot.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/log.h"
#include "server/base/resource_names.h"

namespace acclimate::node {
namespace {

constexpr absl::Duration kLeaseWait = absl::Milliseconds(500);
constexpr absl::Duration kFirstBackOff = absl::Milliseconds(250);
constexpr absl::Duration kLongestBackOff = absl::Seconds(30);

bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsDeadlineExceeded(status);
}

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

Slot::Slot(int number, const NodeOptions& options, const Services& services, WishBoard& wishes)
    : number_(number), options_(options), services_(services), wishes_(wishes) {}

void Slot::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Slot::Join() {
  if (thread_.joinable()) thread_.join();
}

Slot::State Slot::state() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

void Slot::SetState(bool warm, bool busy) {
  absl::MutexLock lock(&mutex_);
  state_.warm = warm;
  state_.busy = busy;
}

void Slot::Run() {
  std::unique_ptr<WorkerProcess> worker;
  while (!control_.draining()) {
    if (worker == nullptr) worker = WarmWorker();
    if (worker == nullptr) break;
    if (!worker->Running()) {
      LogWarning("an idle worker ended", {{"slot", number_}, {"stderr", worker->StderrTail()}});
      services_.metrics.WorkerExited("idle");
      worker.reset();
      continue;
    }
    SetState(/*warm=*/true, /*busy=*/false);
    const std::optional<jobs::Lease> lease = NextLease();
    if (!lease.has_value()) continue;
    SetState(/*warm=*/false, /*busy=*/true);
    RunLease(*lease, std::exchange(worker, nullptr));
    SetState(/*warm=*/false, /*busy=*/false);
  }
  if (worker != nullptr) services_.metrics.WorkerExited("drained");
  SetState(/*warm=*/false, /*busy=*/false);
}

std::optional<jobs::Lease> Slot::NextLease() {
  const Instant start = Instant::Now();
  absl::StatusOr<std::optional<jobs::Lease>> lease =
      services_.broker.Acquire(options_.node_name, kLeaseWait);
  if (!lease.ok()) {
    LogWarning("no lease", {{"slot", number_}, {"error", lease.status()}});
    control_.SleepUnlessDraining(absl::Seconds(1));
    return std::nullopt;
  }
  // A queue that shuts down does not wait.
  if (!lease->has_value()) control_.SleepUnlessDraining(start + kLeaseWait / 5 - Instant::Now());
  return *std::move(lease);
}

std::unique_ptr<WorkerProcess> Slot::WarmWorker() {
  SetState(/*warm=*/false, state().busy);
  for (absl::Duration back_off = kFirstBackOff; !control_.draining();
       back_off = std::min(2 * back_off, kLongestBackOff)) {
    absl::StatusOr<std::unique_ptr<WorkerProcess>> worker = StartWorker();
    if (worker.ok()) return *std::move(worker);
    if (control_.draining()) break;
    LogError("a worker does not start; jobs wait",
             {{"slot", number_}, {"error", worker.status()}, {"retry_after_seconds", back_off}});
    control_.SleepUnlessDraining(back_off);
  }
  return nullptr;
}

absl::StatusOr<std::unique_ptr<WorkerProcess>> Slot::StartWorker() {
  WorkerProcessOptions options;
  options.path = options_.worker_path;
  options.scratch_directory =
      absl::StrCat(options_.scratch_root, "/", number_, "-", ++workers_started_);
  options.threads = options_.threads_per_slot;
  options.device = options_.device;
  options.file_size_limit_bytes = options_.scratch_limit_bytes;
  options.usage = {options_.thread_limit, options_.scratch_limit_bytes};
  absl::StatusOr<std::unique_ptr<WorkerProcess>> worker = WorkerProcess::Start(options);
  absl::Status status = worker.status();
  if (status.ok()) {
    services_.metrics.WorkerStarted();
    status = AwaitReady(**worker);
  }
  if (worker.ok() && !status.ok()) services_.metrics.WorkerExited("start_failed");
  absl::MutexLock lock(&mutex_);
  state_.start_error = std::string(status.message());
  if (!status.ok()) return status;
  return worker;
}

absl::Status Slot::AwaitReady(WorkerProcess& worker) {
  const Instant start = Instant::Now();
  const Instant deadline = start + options_.warm_up_limit;
  v1::WorkerToNode message;
  while (true) {
    worker.Wait(control_.wake_fd(), deadline);
    const absl::StatusOr<bool> whole = worker.channel().TryReceive(message);
    if (control_.Read().drain) return absl::CancelledError("the node shuts down");
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
    LogInfo("worker ready", {{"slot", number_},
                             {"pid", static_cast<int64_t>(worker.pid())},
                             {"blas", message.ready().blas()},
                             {"device", message.ready().device()},
                             {"seconds", Instant::Now() - start}});
  }
  absl::MutexLock lock(&mutex_);
  state_.last_ready = message.ready();
  return sandboxed;
}

void Slot::RunLease(const jobs::Lease& lease, std::unique_ptr<WorkerProcess> worker) {
  LogContext log({{"job", lease.id.job()}, {"attempt", lease.id.attempt()}, {"slot", number_}});
  if (!lease.trace_id.empty()) log.Add({"trace", lease.trace_id});
  if (const std::string tenant = TenantOfJob(lease.id.job()); !tenant.empty()) {
    log.Add({"tenant", tenant});
  }
  LogInfo("attempt begins");
  wishes_.Begin(lease.id, control_);
  absl::StatusOr<jobs::AttemptOutcome> outcome =
      AttemptSupervisor(lease, *worker, control_, services_, options_).Run();
  // No worker to wait for may keep the job from being cancelled: it goes back.
  if (absl::IsUnavailable(outcome.status())) {
    outcome = Failure(v1::ATTEMPT_CAUSE_LOST,
                      absl::UnavailableError("the worker was gone before it took the job"));
  }
  if (outcome.ok()) Finish(lease.id, *outcome);
  wishes_.End(control_);
}

// A result must not be lost to a store that is out of order for a while. Where it cannot be
// reported at all the lease runs out, and the job is tried again.
void Slot::Finish(const v1::AttemptId& id, const jobs::AttemptOutcome& outcome) {
  absl::Duration back_off = kFirstBackOff;
  while (true) {
    const absl::Status status = services_.broker.Finish(id, outcome);
    if (status.ok()) return;
    LogError("the end of an attempt could not be reported",
             {{"job", id.job()}, {"attempt", id.attempt()}, {"error", status}});
    if (!MayPass(status) || control_.draining()) return;
    control_.SleepUnlessDraining(back_off);
    back_off = std::min(2 * back_off, kLongestBackOff);
  }
}

}  // namespace acclimate::node
