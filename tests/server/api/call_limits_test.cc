#include "server/api/call_limits.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "server/base/errors.h"

namespace acclimate::api {
namespace {

using ::testing::HasSubstr;

const Instant kStart = Instant::Now();

absl::Duration RetryAfter(const absl::Status& status) {
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.RetryInfo");
  google::rpc::RetryInfo detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return {};
  return absl::Seconds(detail.retry_delay().seconds()) +
         absl::Nanoseconds(detail.retry_delay().nanos());
}

class CallLimitsTest : public testing::Test {
 protected:
  // How many calls of a second pass, made one after the other at `now`.
  static int Passing(CallLimits& limits, const std::string& whose, double cost, Instant now) {
    int calls = 0;
    while (calls < 10'000 && limits.TakeCall(whose, cost, now).ok()) ++calls;
    return calls;
  }

  metrics::ServerMetrics metrics_;
};

TEST_F(CallLimitsTest, ATenantHasABurstAndThenItsRate) {
  CallLimits limits({.calls_per_second = 100}, metrics_);
  EXPECT_EQ(Passing(limits, "tenants/a", 1, kStart), 200);
  EXPECT_EQ(Passing(limits, "tenants/a", 1, kStart + absl::Milliseconds(500)), 50);
  EXPECT_EQ(Passing(limits, "tenants/a", 1, kStart + absl::Hours(1)), 200);
}

TEST_F(CallLimitsTest, ATenantTakesNothingFromAnother) {
  CallLimits limits({.calls_per_second = 100}, metrics_);
  EXPECT_EQ(Passing(limits, "tenants/a", 1, kStart), 200);
  EXPECT_EQ(Passing(limits, "tenants/b", 1, kStart), 200);
}

TEST_F(CallLimitsTest, AChangeCostsMore) {
  CallLimits limits({.calls_per_second = 100}, metrics_);
  EXPECT_EQ(Passing(limits, "tenants/a", CallLimits::kCostOfChange, kStart), 40);
}

TEST_F(CallLimitsTest, TheAnswerSaysWhenToTryAgain) {
  CallLimits limits({.calls_per_second = 2}, metrics_);
  EXPECT_EQ(Passing(limits, "tenants/a", 1, kStart), 4);
  const absl::Status status = limits.TakeCall("tenants/a", 1, kStart);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "CALL_RATE_EXCEEDED");
  EXPECT_EQ(RetryAfter(status), absl::Milliseconds(500));
  EXPECT_FALSE(limits.TakeCall("tenants/a", 1, kStart + absl::Milliseconds(499)).ok());
  EXPECT_TRUE(limits.TakeCall("tenants/a", 1, kStart + absl::Milliseconds(500)).ok());
}

// A rate below the cost of one change slows changes down; it does not forbid them.
TEST_F(CallLimitsTest, ASmallRateForbidsNothing) {
  CallLimits limits({.calls_per_second = 1}, metrics_);
  EXPECT_TRUE(limits.TakeCall("tenants/a", CallLimits::kCostOfChange, kStart).ok());
  EXPECT_FALSE(limits.TakeCall("tenants/a", CallLimits::kCostOfChange, kStart).ok());
  EXPECT_TRUE(
      limits.TakeCall("tenants/a", CallLimits::kCostOfChange, kStart + absl::Seconds(2)).ok());
}

TEST_F(CallLimitsTest, ACallThatComesLateFillsNothing) {
  CallLimits limits({.calls_per_second = 100}, metrics_);
  EXPECT_EQ(Passing(limits, "tenants/a", 1, kStart), 200);
  EXPECT_EQ(Passing(limits, "tenants/a", 1, kStart + absl::Seconds(-1)), 0);
  EXPECT_EQ(Passing(limits, "tenants/a", 1, kStart + absl::Seconds(1)), 100);
}

TEST_F(CallLimitsTest, WithoutARateThereIsNoLimit) {
  CallLimits limits({}, metrics_);
  EXPECT_EQ(Passing(limits, "tenants/a", 1, kStart), 10'000);
  std::vector<CallLimits::Stream> streams;
  for (int i = 0; i < 5000; ++i) streams.push_back(*limits.OpenStream("client"));
}

TEST_F(CallLimitsTest, ManyNamesOfTenantsAreForgotten) {
  CallLimits limits({.calls_per_second = 1000}, metrics_);
  EXPECT_EQ(Passing(limits, "tenants/busy", 1, kStart), 2000);
  for (int i = 0; i < 5000; ++i) {
    EXPECT_TRUE(
        limits.TakeCall(absl::StrCat("tenants/", i), 1, kStart + absl::Milliseconds(i / 100)).ok());
  }
  EXPECT_LE(Passing(limits, "tenants/busy", 1, kStart + absl::Milliseconds(50)), 50)
      << "one that has used its calls up is not";
}

TEST_F(CallLimitsTest, AClientHasSoManyStreamsAtATime) {
  CallLimits limits({.streams_per_client = 2}, metrics_);
  auto first = limits.OpenStream("ada"), second = limits.OpenStream("ada");
  ASSERT_TRUE(first.ok() && second.ok());
  const auto third = limits.OpenStream("ada");
  EXPECT_EQ(third.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(third.status()), "TOO_MANY_STREAMS");
  EXPECT_GT(RetryAfter(third.status()), absl::ZeroDuration());
  EXPECT_THAT(std::string(third.status().message()), HasSubstr("ada has 2 streams"));
  EXPECT_TRUE(limits.OpenStream("bob").ok());
  { const CallLimits::Stream ended = *std::move(first); }
  EXPECT_TRUE(limits.OpenStream("ada").ok());
}

}  // namespace
}  // namespace acclimate::api
