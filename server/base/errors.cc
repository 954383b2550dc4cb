#include "server/base/errors.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "acclimate/v1/explanation.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/error_details.pb.h"
#include "server/base/proto_time.h"

namespace acclimate {
namespace {

void Attach(absl::Status& status, const google::protobuf::Message& detail) {
  status.SetPayload(absl::StrCat("type.googleapis.com/", detail.GetDescriptor()->full_name()),
                    absl::Cord(detail.SerializeAsString()));
}

absl::StatusCode CodeOf(v1::ErrorReason reason) {
  const google::protobuf::EnumValueDescriptor* const value =
      v1::ErrorReason_descriptor()->FindValueByNumber(reason);
  return static_cast<absl::StatusCode>(value->options().GetExtension(v1::explanation).code());
}

void AttachViolations(absl::Status& status, const std::vector<FieldViolation>& violations) {
  google::rpc::BadRequest detail;
  for (const FieldViolation& violation : violations) {
    auto* added = detail.add_field_violations();
    added->set_field(violation.field);
    added->set_description(violation.description);
  }
  Attach(status, detail);
}

std::string ListOf(const std::vector<FieldViolation>& violations) {
  return absl::StrJoin(violations, "; ", [](std::string* out, const FieldViolation& violation) {
    absl::StrAppend(out, violation.field, ": ", violation.description);
  });
}

}  // namespace

absl::Status BadRequest(const std::vector<FieldViolation>& violations) {
  absl::Status status = absl::InvalidArgumentError(ListOf(violations));
  AttachViolations(status, violations);
  return status;
}

absl::Status BadRequest(absl::string_view field, absl::string_view description) {
  return BadRequest({{std::string(field), std::string(description)}});
}

absl::Status ErrorWithReason(v1::ErrorReason reason, absl::string_view message,
                             const std::map<std::string, std::string>& metadata) {
  google::rpc::ErrorInfo detail;
  detail.set_reason(v1::ErrorReason_Name(reason));
  detail.set_domain(std::string(kErrorDomain));
  detail.mutable_metadata()->insert(metadata.begin(), metadata.end());
  absl::Status status(CodeOf(reason), message);
  Attach(status, detail);
  return status;
}

absl::Status BadRequest(v1::ErrorReason reason, absl::string_view field,
                        absl::string_view description) {
  const std::vector<FieldViolation> violations = {{std::string(field), std::string(description)}};
  absl::Status status = ErrorWithReason(reason, ListOf(violations));
  AttachViolations(status, violations);
  return status;
}

absl::Status QuotaExceeded(v1::ErrorReason reason, absl::string_view subject,
                           absl::string_view description) {
  google::rpc::QuotaFailure detail;
  auto* violation = detail.add_violations();
  violation->set_subject(std::string(subject));
  violation->set_description(std::string(description));
  absl::Status status = ErrorWithReason(reason, description);
  Attach(status, detail);
  return status;
}

absl::Status PreconditionFailed(v1::ErrorReason reason, absl::string_view subject,
                                absl::string_view description) {
  google::rpc::PreconditionFailure detail;
  auto* violation = detail.add_violations();
  violation->set_type(v1::ErrorReason_Name(reason));
  violation->set_subject(std::string(subject));
  violation->set_description(std::string(description));
  absl::Status status = ErrorWithReason(reason, description);
  Attach(status, detail);
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(
      absl::StrCat("type.googleapis.com/", google::rpc::ErrorInfo::descriptor()->full_name()));
  google::rpc::ErrorInfo detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return "";
  return detail.reason();
}

absl::Status WithRetryAfter(absl::Status status, absl::Duration delay) {
  google::rpc::RetryInfo detail;
  *detail.mutable_retry_delay() = ToProtoDuration(delay);
  Attach(status, detail);
  return status;
}

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status result;
  result.set_code(static_cast<int>(status.code()));
  result.set_message(std::string(status.message()));
  status.ForEachPayload([&result](absl::string_view type_url, const absl::Cord& payload) {
    google::protobuf::Any* detail = result.add_details();
    detail->set_type_url(std::string(type_url));
    detail->set_value(std::string(payload));
  });
  return result;
}

absl::Status FromRpcStatus(const google::rpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.code()), status.message());
  for (const google::protobuf::Any& detail : status.details()) {
    result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return result;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      ToRpcStatus(status).SerializeAsString());
}

}  // namespace acclimate
