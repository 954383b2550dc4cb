// acclimate-worker: runs one attempt of one job for a node, sandboxed, and exits.
#include <sys/prctl.h>
#include <torch/version.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <new>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "acclimate/v1/worker.pb.h"
#include "core/job/warm_up.h"
#include "core/runtime/blas.h"
#include "core/runtime/cuda_library.h"
#include "core/runtime/device.h"
#include "core/runtime/large_blocks.h"
#include "google/protobuf/text_format.h"
#include "server/protocol/channel.h"
#include "server/protocol/exit_codes.h"
#include "server/worker/attempt.h"
#include "server/worker/catalog.h"
#include "server/worker/sandbox.h"

namespace acclimate::worker {
namespace {

constexpr char kUsage[] =
    "usage: acclimate-worker --print-catalog\n"
    "       acclimate-worker --channel-fd N --scratch DIR [--threads N] [--device DEVICE]\n"
    "                        [--file-size-limit BYTES]\n"
    "Started by a node (acclimated), not by hand; --print-catalog shows every method.\n";

struct Flags {
  bool print_catalog = false;
  int channel_fd = -1;
  std::string scratch;
  int threads = 1;
  std::string device = "auto";
  int64_t file_size_limit_bytes = 0;
};

bool Parse(int argc, char** argv, Flags& flags) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--print-catalog") {
      flags.print_catalog = true;
      continue;
    }
    if (++i == argc) return false;
    const std::string value = argv[i];
    const bool known =
        (name == "--channel-fd" && absl::SimpleAtoi(value, &flags.channel_fd)) ||
        (name == "--threads" && absl::SimpleAtoi(value, &flags.threads)) ||
        (name == "--file-size-limit" && absl::SimpleAtoi(value, &flags.file_size_limit_bytes)) ||
        (name == "--scratch" && !(flags.scratch = value).empty()) ||
        (name == "--device" && !(flags.device = value).empty());
    if (!known) return false;
  }
  return flags.print_catalog || (flags.channel_fd >= 0 && !flags.scratch.empty());
}

int PrintCatalog() {
  std::string text;
  google::protobuf::TextFormat::PrintToString(MakeCatalog(), &text);
  std::cout << text;
  return std::cout.flush() ? EXIT_SUCCESS : EXIT_FAILURE;
}

// Memory that runs out where no exception can pass (a new thread, a destructor) still has its name.
void NameOutOfMemory() {
  static std::terminate_handler otherwise;
  otherwise = std::set_terminate([] {
    try {
      if (std::current_exception()) throw;
    } catch (const std::bad_alloc&) {
      _exit(protocol::kExitOutOfMemory);
    } catch (...) {
    }
    otherwise();
  });
}

// Whoever must go when memory is short, it is not the server.
void VolunteerForOutOfMemoryKill() { std::ofstream("/proc/self/oom_score_adj") << 500; }

absl::Status Reported(const absl::Status& status, const char* what) {
  if (!status.ok()) std::cerr << what << ": " << status.message() << std::endl;
  return status;
}

int Serve(const Flags& flags) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  NameOutOfMemory();
  VolunteerForOutOfMemoryKill();
  protocol::Channel channel(protocol::UniqueFd(flags.channel_fd),
                            protocol::Channel::Descriptors::kAccept);

  // Landlock binds threads that start later, so it comes before LibTorch has any; seccomp would
  // forbid what loading needs, and binds threads that run, so it comes after.
  // CUDA's libraries start no threads while they are loaded.
  const absl::StatusOr<bool> gpu = runtime::LoadCudaFor(flags.device);
  if (!Reported(gpu.status(), "device").ok()) return EXIT_FAILURE;
  absl::StatusOr<Sandbox> sandbox =
      Sandbox::Prepare({flags.scratch, flags.file_size_limit_bytes, *gpu});
  if (!Reported(sandbox.status(), "sandbox").ok()) return EXIT_FAILURE;
  runtime::ConfigureThreads(flags.threads);
  const auto device = runtime::ResolveDevice(flags.device);
  if (!Reported(device.status(), "device").ok()) return EXIT_FAILURE;
  absl::Status warm = job::WarmUp(flags.scratch, flags.device, flags.threads);
  if (!Reported(warm, "warm-up").ok()) return EXIT_FAILURE;
  runtime::KeepLargeBlocks();  // what the warm-up used goes back first
  sandbox->Close();

  v1::WorkerToNode message;
  v1::WorkerReady& ready = *message.mutable_ready();
  ready.set_libtorch_version(TORCH_VERSION);
  ready.set_blas(runtime::GemmProvider());
  ready.set_device(device->str());
  ready.mutable_sandbox()->insert(sandbox->facts().begin(), sandbox->facts().end());
  if (!channel.Send(message).ok()) return protocol::kExitNodeGone;
  return ServeOneAttempt(channel);
}

int Main(int argc, char** argv) {
  Flags flags;
  if (!Parse(argc, argv, flags)) {
    std::cerr << kUsage;
    return protocol::kExitUsage;
  }
  if (flags.print_catalog) return PrintCatalog();
  runtime::ReexecWithRightBlas(argv);
  return Serve(flags);
}

}  // namespace
}  // namespace acclimate::worker

int main(int argc, char** argv) {
  const int code = acclimate::worker::Main(argc, argv);
  // Without the destructors of LibTorch's globals: its threads may still run.
  std::fflush(nullptr);
  _exit(code);
}
