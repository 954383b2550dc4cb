// The rate of LibTorch's matrix products in the worker's configuration against oneDNN's own:
// one JSON line. Argument: the number of threads (1).
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <dnnl.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "core/runtime/blas.h"

namespace {

constexpr int64_t kSize = 1024;
constexpr int kRounds = 15;

template <typename Work>
double Seconds(const Work& work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  acclimate::runtime::ReexecWithRightBlas(argv);
  int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  acclimate::runtime::ConfigureThreads(threads);
  at::NoGradGuard no_grad;
  at::Tensor a = at::randn({kSize, kSize}), b = at::randn({kSize, kSize});
  at::Tensor c = at::empty({kSize, kSize});
  double torch_seconds = 1e9, one_dnn_seconds = 1e9, double_seconds = 1e9;
  for (int i = 0; i < kRounds; ++i) {  // in turn, so that a busy machine slows both
    torch_seconds = std::min(torch_seconds, Seconds([&] { at::mm_out(c, a, b); }));
    one_dnn_seconds =
        std::min(one_dnn_seconds, Seconds([&] {
                   dnnl_sgemm('N', 'N', kSize, kSize, kSize, 1, a.data_ptr<float>(), kSize,
                              b.data_ptr<float>(), kSize, 0, c.data_ptr<float>(), kSize);
                 }));
  }
  at::Tensor da = a.to(at::kDouble), db = b.to(at::kDouble);
  double_seconds = Seconds([&] { da.mm(db); });
  double operations = 2.0 * kSize * kSize * kSize;
  std::printf(
      "{\"benchmark\": \"gemm\", \"size\": %lld, \"threads\": %d, \"provider\": \"%s\", "
      "\"libtorch_gflops\": %.1f, \"onednn_gflops\": %.1f, \"ratio\": %.3f, "
      "\"double_gflops\": %.1f}\n",
      static_cast<long long>(kSize), threads, acclimate::runtime::GemmProvider(),
      operations / torch_seconds / 1e9, operations / one_dnn_seconds / 1e9,
      one_dnn_seconds / torch_seconds, operations / double_seconds / 1e9);
  return 0;
}
