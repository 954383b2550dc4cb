#include "tests/reliability/process_size.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

constexpr int64_t kDescriptorsAllowed = 10;
constexpr int64_t kThreadsAllowed = 10;
constexpr int64_t kBytesAllowed = int64_t{24} << 20;

std::string Text(const ProcessUsage& size) {
  return absl::StrCat(size.resident_bytes >> 20, " MiB, ", size.descriptors, " descriptors, ",
                      size.threads, " threads");
}

}  // namespace

void ExpectNoGrowth(const ProcessUsage& before, const ProcessUsage& after) {
  Report("the server before", Text(before));
  Report("the server after", Text(after));
  EXPECT_LE(after.descriptors, before.descriptors + kDescriptorsAllowed);
  EXPECT_LE(after.threads, before.threads + kThreadsAllowed);
  EXPECT_LE(after.resident_bytes, before.resident_bytes + kBytesAllowed);
}

}  // namespace acclimate::reliability
