// Matrix products and threads, before a program's first tensor:
//
//   int main(int argc, char** argv) {
//     runtime::ReexecWithRightBlas(argv);
//     runtime::ConfigureThreads(2);
//
// LibTorch 2.x brings a BLAS of its own (MKL on x86-64): blas.cc, where there is little to do.
// Debian's LibTorch 1.13 calls the BLAS that is installed: openblas.cc, compiled for it alone.
#ifndef ACCLIMATE_CORE_RUNTIME_BLAS_H_
#define ACCLIMATE_CORE_RUNTIME_BLAS_H_

namespace acclimate::runtime {

// Where single-precision matrix products go, for the log: "MKL", "oneDNN" or "BLAS".
const char* GemmProvider();

// For the start of main(): where OpenBLAS took this processor for an older one, restarts the
// program once with the right setting. Returns when there is nothing to mend, or when that did not
// help.
void ReexecWithRightBlas(char** argv);

// One pool of `threads` (at least 1) for everything; BLAS itself gets no threads of its own. Call
// once, before the first parallel work.
void ConfigureThreads(int threads);

}  // namespace acclimate::runtime

#endif  // ACCLIMATE_CORE_RUNTIME_BLAS_H_
