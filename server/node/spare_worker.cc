#include "server/node/spare_worker.h"

#include <utility>

#include "server/base/instant.h"
#include "server/base/log.h"
#include "server/base/machine_resources.h"

namespace acclimate::node {
namespace {

// A warm worker has about 100 MiB of its own (docs/operations.md). Between the two bounds a spare
// is kept but not made.
constexpr int64_t kEnoughMemory = int64_t{512} << 20;
constexpr int64_t kShortOfMemory = int64_t{256} << 20;
constexpr absl::Duration kLookInterval = absl::Seconds(5);

bool MemoryIsBelow(int64_t bytes) { return AvailableMemoryBytes().value_or(kEnoughMemory) < bytes; }

}  // namespace

void SpareWorker::Start() {
  thread_ = std::thread([this] { Run(); });
}

void SpareWorker::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  wake_.Wake();
}

void SpareWorker::Join() {
  if (thread_.joinable()) thread_.join();
}

bool SpareWorker::draining() const {
  absl::MutexLock lock(&mutex_);
  return draining_;
}

bool SpareWorker::ready() const {
  absl::MutexLock lock(&mutex_);
  return state_ == State::kReady;
}

void SpareWorker::Prepare() {
  if (!thread_.joinable() || MemoryIsBelow(kEnoughMemory)) return;
  absl::MutexLock lock(&mutex_);
  if (state_ != State::kIdle) return;
  state_ = State::kWanted;
  wake_.Wake();
}

std::unique_ptr<WorkerProcess> SpareWorker::Take() {
  absl::MutexLock lock(&mutex_);
  if (awaited_) return nullptr;
  awaited_ = true;
  while (state_ == State::kWanted || state_ == State::kStarting) started_.Wait(&mutex_);
  awaited_ = false;
  if (state_ != State::kReady) return nullptr;
  state_ = State::kIdle;
  return std::move(worker_);  // the slot looks whether it still runs
}

void SpareWorker::Run() {
  while (!draining()) {
    StartOne();
    LetGoIfNeeded();
    wake_.WaitUntil(Instant::Now() + kLookInterval);
    wake_.Clear();
  }
  absl::MutexLock lock(&mutex_);
  if (worker_ != nullptr) metrics_.WorkerExited("drained");
  worker_.reset();
  state_ = State::kIdle;
  started_.Signal();
}

void SpareWorker::StartOne() {
  {
    absl::MutexLock lock(&mutex_);
    if (state_ != State::kWanted) return;
    state_ = State::kStarting;
  }
  absl::StatusOr<std::unique_ptr<WorkerProcess>> worker = starter_.Start(wake_.fd(), [this] {
    wake_.Clear();
    return draining();
  });
  if (!worker.ok() && !draining()) {
    LogError("a spare worker does not start", {{"error", worker.status()}});
  }
  absl::MutexLock lock(&mutex_);
  state_ = worker.ok() ? State::kReady : State::kIdle;
  if (worker.ok()) worker_ = *std::move(worker);
  started_.Signal();
}

void SpareWorker::LetGoIfNeeded() {
  if (!ready()) return;
  const bool short_of_memory = MemoryIsBelow(kShortOfMemory);
  absl::MutexLock lock(&mutex_);
  if (state_ != State::kReady || (!short_of_memory && worker_->Running())) return;
  metrics_.WorkerExited(short_of_memory ? "drained" : "idle");
  worker_.reset();
  state_ = State::kIdle;
}

}  // namespace acclimate::node
