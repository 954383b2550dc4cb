// The agent of one machine: takes attempts from the queue and has each run by a worker process of
// its own.
//
//   node::Node node({.worker_path = "/usr/bin/acclimate-worker", .slots = 2,
//                    .scratch_root = "/var/lib/acclimate/scratch"},
//                   queue, blobs, metrics);
//   RETURN_IF_ERROR(node.Start());
//   ...
//   node.Shutdown(absl::Seconds(10));
#ifndef ACCLIMATE_SERVER_NODE_NODE_H_
#define ACCLIMATE_SERVER_NODE_NODE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/artifacts/blob_store.h"
#include "server/jobs/lease_broker.h"

namespace acclimate::metrics {
class ServerMetrics;
}

namespace acclimate::node {

struct NodeOptions {
  std::string node_name = "local";
  std::string worker_path;  // of the acclimate-worker binary
  int slots = 1;            // attempts at a time; each has a warm worker while it waits
  // One more warm worker while slots are busy, for the next attempt, as long as memory allows.
  bool spare_worker = true;
  std::string device = "auto";  // for jobs that leave it open: auto, cpu, cuda or cuda:<i>
  // Created if it is missing, on the file system of the blob store: outputs are moved, not copied.
  // What an earlier node left in it is removed.
  std::string scratch_root;
  int threads_per_slot = 0;  // 0: the machine's cores shared out among the slots, at least 1
  absl::Duration run_time_limit = absl::Hours(24);  // of one attempt, unless the job says less
  int64_t memory_limit_bytes = 0;   // of one worker, unless the job says less; 0: none
  int64_t scratch_limit_bytes = 0;  // of the files that one worker writes; 0: none
  int thread_limit = 0;             // of one worker; 0: none
  // Whether a worker without landlock or seccomp may run jobs: it has not.
  bool require_sandbox = true;
  // A worker that was told to stop (cancel, time limit, shutdown) and has not is killed after this.
  absl::Duration stop_grace = absl::Seconds(10);
  // A worker that has neither spoken nor used any processor time for so long is stopped, and its
  // job tried again.
  absl::Duration no_progress_timeout = absl::Minutes(2);
  // Between two training states of an attempt; 0: none are saved but for a pause and a shutdown.
  absl::Duration checkpoint_interval = absl::Seconds(60);
  // A worker that has not become ready (LibTorch loaded, sandboxed) by then is killed.
  absl::Duration warm_up_limit = absl::Seconds(120);
};

// What GetServerInfo and the health service tell about a node.
struct NodeInfo {
  std::string name;
  int slots = 0;
  int busy_slots = 0;
  int warm_workers = 0;
  std::string device;
  // As the last ready worker reported them; empty until one has been ready.
  std::string libtorch_version;
  std::map<std::string, std::string> sandbox;  // "landlock" -> "on", or why not
  // Why the last worker did not become ready; empty while workers start well. Jobs stay queued.
  std::string worker_start_error;
};

// Contract:
// 1. Between Acquire and Finish of a lease one worker process runs it, and nothing else.
// 2. A worker's end, whatever it is, ends its own attempt only, with cause, signal, last phase and
//    the tail of its stderr.
// 3. Nothing a worker sends or writes is trusted: message sizes, descriptors, attempt ids and
//    output files are checked; one that breaks the protocol is killed and its attempt fails.
// 4. A worker's outputs become blobs only after its process has ended.
// 5. When a report is ABORTED (its lease is over) the worker is killed and nothing more is said.
// 6. While it runs an attempt the node renews its lease every 5 s, whatever its slot is busy with.
// Thread-safe.
class Node {
 public:
  // The references must outlive the node.
  Node(NodeOptions options, jobs::LeaseBroker& broker, artifacts::BlobStores& blobs,
       metrics::ServerMetrics& metrics);
  ~Node();  // as Shutdown(ZeroDuration()), if that has not been called
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Returns when the slots' threads run; warm-up goes on behind. Once. INVALID_ARGUMENT: a field of
  // the options; NOT_FOUND: no worker binary there; otherwise why scratch_root cannot be used.
  absl::Status Start();

  // Takes no more leases. Attempts that end by themselves within `grace` do; the others save their
  // state in its last seconds (at most 5, at most half of it), and what then still runs is killed:
  // they finish with cause DRAINED, which puts the jobs back into the queue. Returns when no worker
  // is left.
  void Shutdown(absl::Duration grace);

  NodeInfo Info() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace acclimate::node

#endif  // ACCLIMATE_SERVER_NODE_NODE_H_
