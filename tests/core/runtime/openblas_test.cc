#include "core/runtime/openblas.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/runtime/blas.h"
#include "core/runtime/gemm_router.h"

namespace {

const char* open_blas_core = "";
int open_blas_threads = 0;

}  // namespace

// OpenBLAS as far as the code under test asks it, ahead of any that is installed.
extern "C" const char* openblas_get_corename() { return open_blas_core; }
extern "C" void openblas_set_num_threads(int threads) { open_blas_threads = threads; }

namespace acclimate::runtime {
namespace {

using ::testing::AnyOf;

constexpr int kNotRestarted = 7;

bool CpuHasAvx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

// C = alpha op(A) op(B) + beta C, column-major, term by term.
std::vector<float> Reference(bool transpose_a, bool transpose_b, int m, int n, int k, float alpha,
                             const std::vector<float>& a, int lda, const std::vector<float>& b,
                             int ldb, float beta, std::vector<float> c, int ldc) {
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int l = 0; l < k; ++l) {
        double left = transpose_a ? a[l + i * lda] : a[i + l * lda];
        double right = transpose_b ? b[j + l * ldb] : b[l + j * ldb];
        sum += left * right;
      }
      float& entry = c[i + j * ldc];
      entry = static_cast<float>(alpha * sum + (beta == 0 ? 0 : beta * entry));
    }
  }
  return c;
}

std::vector<float> Random(int count) {
  at::Tensor values = at::randn({count});
  return {values.data_ptr<float>(), values.data_ptr<float>() + count};
}

TEST(SgemmTest, IsBlasForEveryTransposeScaleAndStride) {
  at::manual_seed(1);
  for (bool transpose_a : {false, true}) {
    for (bool transpose_b : {false, true}) {
      for (float beta : {0.0f, 1.0f, -0.5f}) {
        for (int k : {0, 1, 17}) {
          int m = 13, n = 7, lda = 20, ldb = 19, ldc = 15;
          float alpha = 1.5f;
          std::vector<float> a = Random(400), b = Random(400), c = Random(ldc * n);
          if (beta == 0) c[3] = std::numeric_limits<float>::quiet_NaN();  // must not be read
          std::vector<float> expected =
              Reference(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
          const char *ta = transpose_a ? "T" : "N", *tb = transpose_b ? "T" : "N";
          sgemm_(ta, tb, &m, &n, &k, &alpha, a.data(), &lda, b.data(), &ldb, &beta, c.data(), &ldc);
          for (size_t i = 0; i < c.size(); ++i) ASSERT_NEAR(c[i], expected[i], 1e-4) << i;
        }
      }
    }
  }
}

TEST(OpenBlasTest, OneDnnIsUsedWhereItIsThereAndTheCpuHasAvx2) {
  bool expected = dlsym(RTLD_DEFAULT, "dnnl_sgemm") != nullptr && CpuHasAvx2();
  EXPECT_STREQ(GemmProvider(), expected ? "oneDNN" : "BLAS");
}

TEST(OpenBlasTest, TheFallbackIsToldFromARightChoice) {
  EXPECT_TRUE(IsOpenBlasFallback("Prescott"));
  EXPECT_TRUE(IsOpenBlasFallback("prescott"));
  EXPECT_FALSE(IsOpenBlasFallback("SkylakeX"));
  EXPECT_FALSE(IsOpenBlasFallback("Zen"));
  EXPECT_FALSE(IsOpenBlasFallback(""));  // another BLAS
}

TEST(OpenBlasTest, GetsNoThreadsOfItsOwnBesideOneDnn) {
  ConfigureThreads(2);
  EXPECT_EQ(open_blas_threads, GemmGoesToOneDnn() ? 1 : 2);
}

class OpenBlasCoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!CpuHasAvx2()) GTEST_SKIP() << "no core type is better than a fallback without AVX2";
    unsetenv("OPENBLAS_CORETYPE");
    open_blas_core = "Prescott";
  }
  void TearDown() override { unsetenv("OPENBLAS_CORETYPE"); }
};

TEST_F(OpenBlasCoreTest, IsWantedOnlyAfterAFallback) {
  EXPECT_THAT(WantedOpenBlasCoreType().value_or(""), AnyOf("SkylakeX", "Haswell"));
  open_blas_core = "Zen";
  EXPECT_FALSE(WantedOpenBlasCoreType().has_value());
}

TEST_F(OpenBlasCoreTest, ASetOneIsRespected) {
  setenv("OPENBLAS_CORETYPE", "Prescott", 1);
  EXPECT_FALSE(WantedOpenBlasCoreType().has_value());
}

// The restarted program is this one, told to list its tests, which it does with success.
TEST_F(OpenBlasCoreTest, AFallbackRestartsTheProgramOnce) {
  char program[] = "openblas_test", list[] = "--gtest_list_tests";
  char* argv[] = {program, list, nullptr};
  auto restart = [&] {
    ReexecWithRightBlas(argv);
    _exit(kNotRestarted);
  };
  EXPECT_EXIT(restart(), ::testing::ExitedWithCode(0), "");
  setenv("ACCLIMATE_BLAS_REEXEC", "1", 1);  // as the restarted program finds it
  EXPECT_EXIT(restart(), ::testing::ExitedWithCode(kNotRestarted), "");
  unsetenv("ACCLIMATE_BLAS_REEXEC");
  open_blas_core = "Zen";
  EXPECT_EXIT(restart(), ::testing::ExitedWithCode(kNotRestarted), "");
}

}  // namespace
}  // namespace acclimate::runtime
