#include "client/lib/error.h"

#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace acclimate::client {
namespace {

google::rpc::Status WithTwoBadFields() {
  google::rpc::BadRequest bad_request;
  for (const char* field : {"spec.seed", "spec.method"}) {
    auto* violation = bad_request.add_field_violations();
    violation->set_field(field);
    violation->set_description("is wrong");
  }
  google::rpc::Status status;
  status.set_code(3);
  status.set_message("no");
  status.add_details()->PackFrom(google::rpc::ErrorInfo());
  status.add_details()->PackFrom(bad_request);
  return status;
}

TEST(ErrorTest, EveryFieldAtFaultIsTold) {
  const google::rpc::Status proto = WithTwoBadFields();
  const grpc::Status on_the_wire(grpc::StatusCode::INVALID_ARGUMENT, "no",
                                 proto.SerializeAsString());
  for (const absl::Status& status : {FromProto(proto), FromGrpc(on_the_wire)}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    ASSERT_EQ(FieldViolations(status).size(), 2u);
    EXPECT_EQ(FieldViolations(status)[1].field, "spec.method");
    EXPECT_EQ(ErrorText(status), "no\n  spec.seed: is wrong\n  spec.method: is wrong");
  }
}

TEST(ErrorTest, AnErrorWithoutDetailsIsItsMessageOrItsCode) {
  EXPECT_EQ(ErrorText(FromGrpc({grpc::StatusCode::NOT_FOUND, "no such job"})), "no such job");
  EXPECT_EQ(ErrorText(FromGrpc({grpc::StatusCode::NOT_FOUND, ""})), "NOT_FOUND");
  const grpc::Status damaged(grpc::StatusCode::NOT_FOUND, "no", "\xff\xff");
  EXPECT_TRUE(FieldViolations(FromGrpc(damaged)).empty());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

TEST(ErrorTest, TheServerSaysWhenToTryAgain) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(absl::StatusCode::kResourceExhausted));
  proto.add_details()->PackFrom(retry);
  const absl::Status status = FromProto(proto);
  EXPECT_EQ(RetryDelay(status), absl::Milliseconds(1500));
  EXPECT_TRUE(IsTransient(status));
  EXPECT_EQ(RetryDelay(absl::ResourceExhaustedError("the disk is full")), std::nullopt);
}

TEST(ErrorTest, TheLastEntryMayCountWhatWasLeftOut) {
  google::rpc::BadRequest bad_request;
  bad_request.add_field_violations()->set_field("spec.seed");
  bad_request.add_field_violations()->set_description("and 7 more fields");
  google::rpc::Status proto;
  proto.set_code(3);
  proto.set_message("no");
  proto.add_details()->PackFrom(bad_request);
  EXPECT_EQ(ErrorText(FromProto(proto)), "no\n  spec.seed: \n  and 7 more fields");
}

TEST(ErrorTest, OnlyWhatPassesIsTriedAgain) {
  EXPECT_TRUE(IsTransient(absl::UnavailableError("")));
  EXPECT_TRUE(IsTransient(absl::AbortedError("")));
  for (absl::StatusCode code :
       {absl::StatusCode::kOk, absl::StatusCode::kInvalidArgument, absl::StatusCode::kNotFound,
        absl::StatusCode::kInternal, absl::StatusCode::kResourceExhausted,
        absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kFailedPrecondition}) {
    EXPECT_FALSE(IsTransient(absl::Status(code, ""))) << code;
  }
}

}  // namespace
}  // namespace acclimate::client
