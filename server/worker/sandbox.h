// What a worker takes from itself before it touches a user's file.
//
//   absl::StatusOr<Sandbox> sandbox = Sandbox::Prepare({.scratch_directory = "/scratch/7"});
//   ... load LibTorch's libraries, start its threads ...
//   sandbox->Close();
//   ready.sandbox = sandbox->facts();
//
// Every measure is a fact with a name: "on", or why it is not. Nothing is skipped silently, and
// whoever runs workers decides whether a missing measure is acceptable.
#ifndef ACCLIMATE_SERVER_WORKER_SANDBOX_H_
#define ACCLIMATE_SERVER_WORKER_SANDBOX_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace acclimate::worker {

struct SandboxOptions {
  std::string scratch_directory;      // the only place that can be written
  int64_t file_size_limit_bytes = 0;  // of one file; 0: none
  bool gpu = false;                   // CUDA will be used: gpu_files.h
};

// Not thread-safe: Prepare and Close are called by the main thread.
class Sandbox {
 public:
  // In a process of one thread (landlock binds the calling thread and those it starts later):
  //   no_new_privs  no program can raise our rights;
  //   capabilities  none are left, also for root;
  //   rlimits       no core files, few descriptors, file sizes bounded;
  //   network       a network namespace of our own, without interfaces;
  //   landlock      files: write in scratch, read libraries and a few facts of the machine;
  //                 the devices of GPUs only where `gpu` asks for them.
  // CUDA's libraries must be loaded by now: their folders are those that can be read.
  // INVALID_ARGUMENT: the scratch directory cannot be opened.
  static absl::StatusOr<Sandbox> Prepare(const SandboxOptions& options);

  // After the last library is loaded, in all threads at once:
  //   seccomp       no sockets, programs, processes, namespaces, tracing, keys, or io_uring.
  void Close();

  const std::map<std::string, std::string>& facts() const { return facts_; }

 private:
  void Record(const std::string& measure, const absl::Status& status);

  std::map<std::string, std::string> facts_;
};

}  // namespace acclimate::worker

#endif  // ACCLIMATE_SERVER_WORKER_SANDBOX_H_
