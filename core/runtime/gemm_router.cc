#include "core/runtime/gemm_router.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>

namespace acclimate::runtime {
namespace {

// dnnl_sgemm of oneDNN (row-major); looked up at run time, since not every LibTorch exports it.
using OneDnnGemm = int(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha,
                       const float* a, int64_t lda, const float* b, int64_t ldb, float beta,
                       float* c, int64_t ldc);
using BlasGemm = decltype(sgemm_);

// oneDNN's kernels need AVX2 to be better than a BLAS; on other processors it has none.
bool HasFastOneDnn() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

struct Providers {
  OneDnnGemm* one_dnn = nullptr;
  BlasGemm* blas = nullptr;  // the next sgemm_ after ours: libblas.so.3
};

const Providers& FindProviders() {
  static const Providers providers = [] {
    Providers found;
    if (HasFastOneDnn()) {
      found.one_dnn = reinterpret_cast<OneDnnGemm*>(dlsym(RTLD_DEFAULT, "dnnl_sgemm"));
    }
    found.blas = reinterpret_cast<BlasGemm*>(dlsym(RTLD_NEXT, "sgemm_"));
    return found;
  }();
  return providers;
}

}  // namespace

bool GemmGoesToOneDnn() {
  return FindProviders().one_dnn != nullptr &&
         dlsym(RTLD_DEFAULT, "sgemm_") == reinterpret_cast<void*>(&sgemm_);
}

}  // namespace acclimate::runtime

extern "C" void sgemm_(const char* transa, const char* transb, const int* m, const int* n,
                       const int* k, const float* alpha, const float* a, const int* lda,
                       const float* b, const int* ldb, const float* beta, float* c,
                       const int* ldc) {
  const auto& [one_dnn, blas] = acclimate::runtime::FindProviders();
  // A column-major product is the row-major one of the factors swapped. Without terms (k = 0) only
  // beta counts, which oneDNN leaves out.
  constexpr int kDone = 0;
  if (one_dnn != nullptr && *k > 0 &&
      one_dnn(*transb, *transa, *n, *m, *k, *alpha, b, *ldb, a, *lda, *beta, c, *ldc) == kDone) {
    return;
  }
  if (blas == nullptr) std::abort();  // only a caller that found no sgemm_ before ours came
  blas(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
