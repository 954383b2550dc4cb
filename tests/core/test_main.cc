// main of the tests that link LibTorch. Loading LibTorch takes longer than most tests do, so CTest
// runs all tests of one source file in one process:
//   core_losses_test --source=mk_mmd_test.cc [GoogleTest's own flags]
// Without --source it is GoogleTest's main. Every test starts with the same random numbers,
// whichever tests ran before it.
#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace {

constexpr char kSourceFlag[] = "--source=";
constexpr int kAllSkipped = 77;  // SKIP_RETURN_CODE in cmake/AcclimateTorch.cmake

class SameRandomNumbers : public ::testing::EmptyTestEventListener {
  void OnTestStart(const ::testing::TestInfo&) override {
    at::manual_seed(c10::default_rng_seed_val);
  }
};

// A filter of GoogleTest for the tests that stand in `source`; empty where there are none.
std::string TestsOf(const std::string& source) {
  std::string filter;
  const ::testing::UnitTest& all = *::testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const ::testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const ::testing::TestInfo& test = *suite.GetTestInfo(j);
      if (std::filesystem::path(test.file()).filename() != source) continue;
      // In a filter '-' and ':' have a meaning, and '?' stands for any character.
      absl::StrAppend(&filter, filter.empty() ? "" : ":", suite.name(), ".",
                      absl::StrReplaceAll(test.name(), {{"-", "?"}, {":", "?"}}));
    }
  }
  return filter;
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (!absl::StartsWith(argument, kSourceFlag)) {
      std::cerr << argv[0] << ": unknown argument " << argument << std::endl;
      return EXIT_FAILURE;
    }
    const std::string filter = TestsOf(argument.substr(sizeof(kSourceFlag) - 1));
    if (filter.empty()) {
      std::cerr << argv[0] << ": no test stands in " << argument << std::endl;
      return EXIT_FAILURE;
    }
    GTEST_FLAG_SET(filter, filter);
  }
  ::testing::UnitTest& tests = *::testing::UnitTest::GetInstance();
  tests.listeners().Append(new SameRandomNumbers);
  const int status = RUN_ALL_TESTS();
  const bool all_skipped = tests.skipped_test_count() > 0 && tests.successful_test_count() == 0;
  return status == 0 && all_skipped ? kAllSkipped : status;
}
