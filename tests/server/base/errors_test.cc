#include "server/base/errors.h"

#include "acclimate/v1/explanation.pb.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace acclimate {
namespace {

// The one detail of this type, as a client finds it on the wire.
template <typename Detail>
Detail DetailOf(const absl::Status& status) {
  google::rpc::Status on_the_wire;
  EXPECT_TRUE(on_the_wire.ParseFromString(ToGrpcStatus(status).error_details()));
  Detail found;
  int count = 0;
  for (const google::protobuf::Any& detail : on_the_wire.details()) {
    if (detail.UnpackTo(&found)) ++count;
  }
  EXPECT_EQ(count, 1) << on_the_wire.DebugString();
  return found;
}

TEST(ErrorsTest, OneBadRequestHoldsEveryField) {
  const absl::Status status =
      BadRequest({{"spec.seed", "is negative"}, {"spec.hyperparameters[\"lr\"]", "is too large"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "spec.seed: is negative; spec.hyperparameters[\"lr\"]: is too large");
  const auto detail = DetailOf<google::rpc::BadRequest>(status);
  ASSERT_EQ(detail.field_violations_size(), 2);
  EXPECT_EQ(detail.field_violations(0).field(), "spec.seed");
  EXPECT_EQ(detail.field_violations(1).field(), "spec.hyperparameters[\"lr\"]");
  EXPECT_EQ(detail.field_violations(1).description(), "is too large");
}

TEST(ErrorsTest, QuotaAndPreconditionNameTheirSubject) {
  const absl::Status quota = QuotaExceeded(v1::DISK_FULL, "disk:/data", "is full");
  EXPECT_EQ(quota.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailOf<google::rpc::QuotaFailure>(quota).violations(0).subject(), "disk:/data");

  const absl::Status state = PreconditionFailed(v1::JOB_STATE, "tenants/t/jobs/j", "it runs");
  EXPECT_EQ(state.code(), absl::StatusCode::kFailedPrecondition);
  const auto failure = DetailOf<google::rpc::PreconditionFailure>(state);
  EXPECT_EQ(failure.violations(0).type(), "JOB_STATE");
  EXPECT_EQ(failure.violations(0).subject(), "tenants/t/jobs/j");
}

TEST(ErrorsTest, DetailsAddUp) {
  const absl::Status status = WithRetryAfter(
      BadRequest(v1::UPLOAD_DIGEST_MISMATCH, "sha256", "is another"), absl::Milliseconds(1500));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "sha256: is another");
  EXPECT_EQ(DetailOf<google::rpc::BadRequest>(status).field_violations(0).field(), "sha256");
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  EXPECT_EQ(info.reason(), "UPLOAD_DIGEST_MISMATCH");
  EXPECT_EQ(info.domain(), "acclimate.dev");
  const auto retry = DetailOf<google::rpc::RetryInfo>(status);
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500000000);
}

TEST(ErrorsTest, TheWireKeepsCodeTextAndDetails) {
  const absl::Status status = ErrorWithReason(v1::REQUEST_ID_REUSED, "taken", {{"job", "7"}});
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status).metadata().at("job"), "7");
  const grpc::Status grpc_status = ToGrpcStatus(status);
  EXPECT_EQ(grpc_status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(grpc_status.error_message(), "taken");
  EXPECT_EQ(FromRpcStatus(ToRpcStatus(status)), status);
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(ErrorsTest, EveryReasonIsExplained) {
  const google::protobuf::EnumDescriptor& reasons = *v1::ErrorReason_descriptor();
  ASSERT_GT(reasons.value_count(), 1);
  for (int i = 1; i < reasons.value_count(); ++i) {  // 0 is "unspecified"
    const v1::Explanation& explanation = reasons.value(i)->options().GetExtension(v1::explanation);
    EXPECT_NE(explanation.code(), google::rpc::OK) << reasons.value(i)->name();
    EXPECT_NE(explanation.meaning(), "") << reasons.value(i)->name();
    EXPECT_NE(explanation.action(), "") << reasons.value(i)->name();
    const absl::Status status =
        ErrorWithReason(static_cast<v1::ErrorReason>(reasons.value(i)->number()), "text");
    EXPECT_EQ(static_cast<int>(status.code()), explanation.code());
    EXPECT_EQ(ReasonOf(status), reasons.value(i)->name());
  }
}

}  // namespace
}  // namespace acclimate
