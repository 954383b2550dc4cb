#include "server/base/errors.h"

#include <algorithm>

#include "absl/strings/cord.h"
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

// Bytes of metadata on the wire: gRPC's clients take 8192, and each entry counts 32 more.
size_t MetadataBytes(const grpc::Status& status) {
  size_t message = 0;
  for (unsigned char c : status.error_message())
    message += c < 0x20 || c > 0x7e || c == '%' ? 3 : 1;
  const size_t details = (status.error_details().size() + 2) / 3 * 4;
  const size_t traceparent = 11 + 55 + 32;
  return 12 + message + 32 + 23 + details + 32 + 11 + 2 + 32 + traceparent;
}

TEST(ErrorsTest, AnyNumberOfFieldsFitsAnAnswerWhichCountsTheRest) {
  for (int count : {1, 8, 30, 5000}) {
    for (const std::string& text :
         {std::string("is unknown"), std::string(500, 'x'), std::string(4 << 20, 'x')}) {
      std::vector<FieldViolation> violations;
      for (int i = 0; i < std::min(count, 5000 / static_cast<int>(text.size() / 500 + 1) + 1);
           ++i) {
        violations.push_back({"spec.hyperparameters[\"h" + std::to_string(i) + "\"]", text});
      }
      const absl::Status status = BadRequest(violations);
      const grpc::Status answer = ToGrpcStatus(status);
      EXPECT_LT(MetadataBytes(answer), 8192u) << count << " of " << text.size();
      const auto detail = DetailOf<google::rpc::BadRequest>(status);
      const bool all = detail.field_violations_size() == static_cast<int>(violations.size());
      const auto& last = *detail.field_violations().rbegin();
      EXPECT_EQ(last.field().empty(), !all);
      if (!all) {
        const size_t left_out = violations.size() - (detail.field_violations_size() - 1);
        EXPECT_EQ(last.description(),
                  "and " + std::to_string(left_out) + " more field" + (left_out == 1 ? "" : "s"));
        EXPECT_NE(answer.error_message().find(" more field"), std::string::npos);
      }
      EXPECT_EQ(detail.field_violations(0).field(), violations[0].field);
    }
  }
}

TEST(ErrorsTest, NoTextOfAClientIsTooLongForAnAnswer) {
  const std::string characters = [] {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += "€";
    return text;
  }();
  for (const absl::Status& status :
       {absl::NotFoundError(characters), BadRequest(characters, characters),
        ErrorWithReason(v1::REQUEST_ID_REUSED, characters, {{"job", characters}}),
        QuotaExceeded(v1::DISK_FULL, characters, characters),
        PreconditionFailed(v1::JOB_STATE, characters, characters)}) {
    const grpc::Status answer = ToGrpcStatus(status);
    EXPECT_LT(MetadataBytes(answer), 8192u) << status.code();
    EXPECT_THAT(answer.error_message(), testing::HasSubstr("bytes left out"));
    google::rpc::Status details;
    EXPECT_TRUE(details.ParseFromString(answer.error_details()));
  }
}

TEST(ErrorsTest, DetailsBeyondTheLimitAreLeftOutAndCounted) {
  absl::Status status = ErrorWithReason(v1::JOB_STATE, "text");
  status.SetPayload("type.googleapis.com/z.Large", absl::Cord(std::string(1 << 20, 'x')));
  const grpc::Status answer = ToGrpcStatus(status);
  EXPECT_LT(MetadataBytes(answer), 8192u);
  EXPECT_THAT(answer.error_message(), testing::HasSubstr("details left out"));
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
