#include "core/runtime/openblas.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "absl/strings/match.h"
#include "core/runtime/blas.h"
#include "core/runtime/gemm_router.h"

namespace acclimate::runtime {
namespace {

constexpr char kCoreType[] = "OPENBLAS_CORETYPE";
constexpr char kAlreadyTried[] = "ACCLIMATE_BLAS_REEXEC";

// A function of OpenBLAS, or null where another BLAS is loaded.
template <typename Function>
Function* OpenBlasFunction(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

std::string CoreName() {
  auto* get_corename = OpenBlasFunction<char*()>("openblas_get_corename");
  return get_corename == nullptr ? "" : get_corename();
}

absl::optional<std::string> BestCoreType() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512cd")) {
    return "SkylakeX";
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return absl::nullopt;
}

}  // namespace

const char* GemmProvider() { return GemmGoesToOneDnn() ? "oneDNN" : "BLAS"; }

bool IsOpenBlasFallback(absl::string_view core_name) {
  // The x86-64 cores that OpenBLAS falls back to when it does not know a CPU, oldest first.
  for (const char* old : {"Prescott", "Core2", "Penryn", "Nehalem", "Barcelona", "Generic",
                          "Unknown", "Sandybridge"}) {
    if (absl::EqualsIgnoreCase(core_name, old)) return true;
  }
  return false;
}

absl::optional<std::string> WantedOpenBlasCoreType() {
  if (std::getenv(kCoreType) != nullptr || !IsOpenBlasFallback(CoreName())) return absl::nullopt;
  return BestCoreType();
}

void ReexecWithRightBlas(char** argv) {
  if (std::getenv(kAlreadyTried) != nullptr) return;
  absl::optional<std::string> core_type = WantedOpenBlasCoreType();
  if (!core_type.has_value()) return;
  setenv(kAlreadyTried, "1", /*overwrite=*/1);
  setenv(kCoreType, core_type->c_str(), /*overwrite=*/1);
  setenv("OPENBLAS_NUM_THREADS", "1", /*overwrite=*/1);  // spares the start of its threads
  execv("/proc/self/exe", argv);
}

void ConfigureThreads(int threads) {
  at::set_num_threads(std::max(1, threads));
  // LibTorch allows this once, before its first use.
  if (at::get_num_interop_threads() != 1) at::set_num_interop_threads(1);
  auto* set_num_threads = OpenBlasFunction<void(int)>("openblas_set_num_threads");
  if (set_num_threads != nullptr) set_num_threads(GemmGoesToOneDnn() ? 1 : std::max(1, threads));
}

}  // namespace acclimate::runtime
