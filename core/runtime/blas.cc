#include "core/runtime/blas.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>

namespace acclimate::runtime {

const char* GemmProvider() { return at::hasMKL() ? "MKL" : "BLAS"; }

void ReexecWithRightBlas(char** /*argv*/) {}

void ConfigureThreads(int threads) {
  at::set_num_threads(std::max(1, threads));
  // LibTorch allows this once, before its first use.
  if (at::get_num_interop_threads() != 1) at::set_num_interop_threads(1);
}

}  // namespace acclimate::runtime
