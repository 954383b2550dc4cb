#include "tests/reliability/health_probe.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(1);  // of the invariant
constexpr absl::Duration kHang = absl::Minutes(5);   // no machine is so slow
constexpr absl::Duration kPause = absl::Milliseconds(50);

grpc::Status Check(const std::string& address, grpc::health::v1::HealthCheckResponse& answer) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto channel =
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kHang));
  return grpc::health::v1::Health::NewStub(channel)->Check(&context, {}, &answer);
}

}  // namespace

HealthProbe::HealthProbe(const e2e::ServerProcess& server)
    : address_(server.address()), thread_([this] { Run(); }) {}

HealthProbe::~HealthProbe() {
  stop_.Notify();
  thread_.join();
  Report("longest time until health answered", absl::FormatDuration(longest_));
  if (RunOptions().long_form) {
    EXPECT_LE(longest_, kLimit);
  }
}

void HealthProbe::Run() {
  while (!stop_.WaitForNotificationWithTimeout(kPause)) {
    const absl::Time start = absl::Now();
    grpc::health::v1::HealthCheckResponse answer;
    const grpc::Status status = Check(address_, answer);
    longest_ = std::max(longest_, absl::Now() - start);
    EXPECT_TRUE(status.ok()) << "health: " << status.error_message();
    if (!status.ok()) return;
    EXPECT_EQ(answer.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  }
}

}  // namespace acclimate::reliability
