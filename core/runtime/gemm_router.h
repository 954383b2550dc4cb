// Defines sgemm_, so that LibTorch's single-precision matrix products reach oneDNN: see openblas.h.
#ifndef ACCLIMATE_CORE_RUNTIME_GEMM_ROUTER_H_
#define ACCLIMATE_CORE_RUNTIME_GEMM_ROUTER_H_

namespace acclimate::runtime {

// Whether this binary's sgemm_ is the one below, oneDNN is there, and the CPU has AVX2.
bool GemmGoesToOneDnn();

}  // namespace acclimate::runtime

// BLAS's sgemm (column-major): C = alpha op(A) op(B) + beta C, op(A) [m, k], op(B) [k, n].
extern "C" void sgemm_(const char* transa, const char* transb, const int* m, const int* n,
                       const int* k, const float* alpha, const float* a, const int* lda,
                       const float* b, const int* ldb, const float* beta, float* c, const int* ldc);

#endif  // ACCLIMATE_CORE_RUNTIME_GEMM_ROUTER_H_
