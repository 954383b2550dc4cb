#include "server/node/node.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/log.h"
#include "server/base/machine_resources.h"
#include "server/node/slot.h"
#include "server/node/spare_worker.h"
#include "server/node/worker_starter.h"

namespace acclimate::node {
namespace {

NodeOptions Resolved(NodeOptions options) {
  if (options.threads_per_slot <= 0) {
    options.threads_per_slot = std::max(1, MachineProcessors() / std::max(1, options.slots));
  }
  return options;
}

absl::Status Check(const NodeOptions& options) {
  if (options.slots < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("slots: must be at least 1; is ", options.slots));
  }
  if (access(options.worker_path.c_str(), X_OK) != 0) {
    return absl::NotFoundError(
        absl::StrCat("worker_path: no program at \"", options.worker_path, "\""));
  }
  return absl::OkStatus();
}

absl::Status PrepareScratch(const std::string& root) {
  std::error_code error;
  std::filesystem::create_directories(root, error);
  for (auto it = std::filesystem::directory_iterator(root, error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    std::filesystem::remove_all(it->path(), error);
  }
  if (!error) std::filesystem::permissions(root, std::filesystem::perms::owner_all, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), absl::StrCat("scratch_root ", root));
}

}  // namespace

class Node::Impl {
 public:
  Impl(NodeOptions options, const Services& services)
      : options_(Resolved(std::move(options))), services_(services) {}

  ~Impl() { Shutdown(absl::ZeroDuration()); }

  absl::Status Start() {
    absl::Status status = Check(options_);
    if (status.ok()) status = PrepareScratch(options_.scratch_root);
    if (!status.ok()) return status;
    services_.broker.OnWish([this](const v1::AttemptId& id, jobs::LeaseBroker::Wish wish) {
      wishes_.Deliver(id, wish);
    });
    if (options_.spare_worker) spare_.Start();
    for (int i = 0; i < options_.slots; ++i) {
      slots_.push_back(std::make_unique<Slot>(i, options_, services_, wishes_, starter_, spare_));
      slots_.back()->Start();
    }
    started_ = true;
    renewer_ = std::thread([this] { RenewLeases(); });
    return absl::OkStatus();
  }

  void Shutdown(absl::Duration grace) {
    const Instant deadline = Instant::Now() + grace;
    const Instant pause = deadline + -std::min(grace / 2, absl::Seconds(5));
    for (const auto& slot : slots_) slot->Drain(pause, deadline);
    spare_.Drain();
    for (const auto& slot : slots_) slot->Join();
    spare_.Join();
    stop_renewing_.Wake();
    if (renewer_.joinable()) renewer_.join();
    services_.broker.OnWish([](const v1::AttemptId&, jobs::LeaseBroker::Wish) {});
  }

  NodeInfo Info() const {
    NodeInfo info;
    info.name = options_.node_name;
    info.slots = options_.slots;
    info.device = options_.device;
    if (!started_) return info;
    for (const auto& slot : slots_) {
      const Slot::State state = slot->state();
      info.busy_slots += state.busy;
      info.warm_workers += state.warm;
    }
    info.warm_workers += spare_.ready();
    const WorkerStarter::Report report = starter_.report();
    info.worker_start_error = report.start_error;
    if (report.last_ready.libtorch_version().empty()) return info;
    info.libtorch_version = report.last_ready.libtorch_version();
    info.device = report.last_ready.device();
    info.sandbox = {report.last_ready.sandbox().begin(), report.last_ready.sandbox().end()};
    return info;
  }

 private:
  void RenewLeases() {
    constexpr absl::Duration kInterval = absl::Seconds(5);
    for (Instant next = Instant::Now() + kInterval;; next = Instant::Now() + kInterval) {
      stop_renewing_.WaitUntil(next);
      if (Instant::Now() < next) return;
      for (const v1::AttemptId& id : wishes_.Running()) {
        if (absl::IsAborted(services_.broker.Renew(id))) wishes_.EndLease(id);
      }
    }
  }

  const NodeOptions options_;
  const Services services_;
  WishBoard wishes_;
  WorkerStarter starter_{options_, services_.metrics};
  SpareWorker spare_{starter_, services_.metrics};
  std::vector<std::unique_ptr<Slot>> slots_;
  WakeUp stop_renewing_;
  std::thread renewer_;
  std::atomic<bool> started_ = false;  // slots_ changes no more
};

Node::Node(NodeOptions options, jobs::LeaseBroker& broker, artifacts::BlobStores& blobs,
           metrics::ServerMetrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), Services{broker, blobs, metrics})) {}

Node::~Node() = default;

absl::Status Node::Start() { return impl_->Start(); }
void Node::Shutdown(absl::Duration grace) { impl_->Shutdown(grace); }
NodeInfo Node::Info() const { return impl_->Info(); }

}  // namespace acclimate::node
