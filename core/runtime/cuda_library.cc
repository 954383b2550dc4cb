#include "core/runtime/cuda_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace acclimate::runtime {
namespace {

constexpr char kTorchCuda[] = "libtorch_cuda.so";

bool HasNvidiaDriver() { return access("/dev/nvidiactl", F_OK) == 0; }

}  // namespace

absl::StatusOr<bool> LoadCudaFor(absl::string_view device) {
  if (device == "cpu" || !HasNvidiaDriver()) return false;
  // Found as the program's other libraries are, by its run path.
  if (dlopen(kTorchCuda, RTLD_LAZY | RTLD_GLOBAL) == nullptr) {
    const std::string error = dlerror();
    // A missing dependency is named in the same way, but by its own name.
    if (absl::StartsWith(error, absl::StrCat(kTorchCuda, ": cannot open shared object file"))) {
      return false;
    }
    return absl::FailedPreconditionError(absl::StrCat("CUDA cannot be loaded: ", error));
  }
  // LibTorch loads it later, when a sandbox may no longer let it look for it. Where it is missing,
  // LibTorch finds no device and says so.
  dlopen("libcuda.so.1", RTLD_LAZY | RTLD_GLOBAL);
  return true;
}

}  // namespace acclimate::runtime
