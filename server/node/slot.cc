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

}  // namespace

Slot::Slot(int number, const NodeOptions& options, const Services& services, WishBoard& wishes,
           WorkerStarter& starter, SpareWorker& spare)
    : number_(number),
      options_(options),
      services_(services),
      wishes_(wishes),
      starter_(starter),
      spare_(spare) {}

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
    spare_.Prepare();
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
  if (std::unique_ptr<WorkerProcess> spare = spare_.Take()) return spare;
  for (absl::Duration back_off = kFirstBackOff; !control_.draining();
       back_off = std::min(2 * back_off, kLongestBackOff)) {
    absl::StatusOr<std::unique_ptr<WorkerProcess>> worker =
        starter_.Start(control_.wake_fd(), [this] { return control_.Read().drain; });
    if (worker.ok()) return *std::move(worker);
    if (control_.draining()) break;
    LogError("a worker does not start; jobs wait",
             {{"slot", number_}, {"error", worker.status()}, {"retry_after_seconds", back_off}});
    control_.SleepUnlessDraining(back_off);
  }
  return nullptr;
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
