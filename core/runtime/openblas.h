// Matrix products at the machine's rate, from one pool of threads, with Debian's LibTorch.
//
// It calls whatever libblas.so.3 is installed. Three traps lie there:
//  1. A plain installation brings the reference BLAS, which knows neither vectors nor threads.
//  2. OpenBLAS 0.3.21 takes CPUs newer than itself for SSE3 ones (core type "Prescott").
//  3. OpenBLAS's own threads and those of libgomp, LibTorch's pool, fight for the same cores.
//
// The way out of all three: sgemm_, which LibTorch imports, is defined in gemm_router.cc and hands
// products to oneDNN, which LibTorch brings along and which runs on libgomp; BLAS keeps what oneDNN
// does not do (double precision, LAPACK) on the calling thread. A binary that links this library
// has it. Where there is no oneDNN to find or no AVX2, nothing changes.
//
// Single-precision products of 1024 x 1024, one thread, AVX-512, relative to oneDNN (1): reference
// BLAS 0.03, OpenBLAS as Prescott 0.19, as Haswell 0.5, as SkylakeX 0.8; LibTorch through this
// library 1.0. With two threads OpenBLAS's own pool reaches 0.5 of oneDNN on libgomp at best.
// tests/bench/gemm_bench.cc measures it anew.
#ifndef ACCLIMATE_CORE_RUNTIME_OPENBLAS_H_
#define ACCLIMATE_CORE_RUNTIME_OPENBLAS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace acclimate::runtime {

// Whether OpenBLAS's name of a core (openblas_get_corename) is one of those without AVX2.
bool IsOpenBlasFallback(absl::string_view core_name);

// The core type that OpenBLAS should have chosen ("SkylakeX", "Haswell"), when it is loaded, fell
// back to kernels without AVX2 on a CPU with it, and OPENBLAS_CORETYPE does not say otherwise.
// ReexecWithRightBlas of blas.h sets it, so that double-precision and LAPACK kernels are right too.
absl::optional<std::string> WantedOpenBlasCoreType();

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_OPENBLAS_H_
