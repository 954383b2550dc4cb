// reliability_test [--long] [--count=N] [--seed=N] [GoogleTest's own flags]
#include <cinttypes>
#include <cstdio>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/reliability/options.h"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  acclimate::reliability::ReadOptions(argc, argv);
  if (!testing::GTEST_FLAG(list_tests)) {
    std::printf("The same choices again: --seed=%" PRIu64 "\n",
                acclimate::reliability::RunOptions().seed);
  }
  return RUN_ALL_TESTS();
}
