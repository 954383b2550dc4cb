#include "core/runtime/blas.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <string>

namespace acclimate::runtime {
namespace {

TEST(BlasTest, ProductsAreRight) {
  at::Tensor a = at::randn({33, 65}), b = at::randn({65, 129});
  at::Tensor exact = a.to(at::kDouble).mm(b.to(at::kDouble));
  EXPECT_TRUE(at::allclose(a.mm(b).to(at::kDouble), exact, 1e-4, 1e-4));
}

TEST(BlasTest, TheSameProductTwiceIsBitEqual) {
  at::Tensor a = at::randn({300, 300}), b = at::randn({300, 300});
  EXPECT_TRUE(at::equal(a.mm(b), a.mm(b)));
}

TEST(BlasTest, ThreadsAreThoseAskedFor) {
  ConfigureThreads(2);
  EXPECT_EQ(at::get_num_threads(), 2);
  EXPECT_EQ(at::get_num_interop_threads(), 1);
  ConfigureThreads(0);
  EXPECT_EQ(at::get_num_threads(), 1);
}

TEST(BlasTest, NamesWhereProductsGo) {
  const std::string provider = GemmProvider();
  EXPECT_TRUE(provider == "MKL" || provider == "oneDNN" || provider == "BLAS") << provider;
}

}  // namespace
}  // namespace acclimate::runtime
