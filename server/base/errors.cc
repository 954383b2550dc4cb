#include "server/base/errors.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "acclimate/v1/explanation.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/error_details.pb.h"
#include "server/base/bounded_text.h"
#include "server/base/proto_time.h"

namespace acclimate {
namespace {

// gRPC's clients take 8 KiB of metadata with an answer. Details travel in base64, and the message
// once beside them, percent-encoded, and once within: 3 x 768 + 4/3 x 3840 bytes, with traceparent
// and names less than 8 KiB.
constexpr size_t kMaxMessageBytes = 768;
constexpr size_t kMaxDetailsBytes = 3840;  // google.rpc.Status, with the message
constexpr size_t kMaxViolationsBytes = 2304;
constexpr size_t kMaxNameBytes = 256;  // of a field, a subject, a value in ErrorInfo
constexpr size_t kMaxDescriptionBytes = 512;

void Attach(absl::Status& status, const google::protobuf::Message& detail) {
  status.SetPayload(absl::StrCat("type.googleapis.com/", detail.GetDescriptor()->full_name()),
                    absl::Cord(detail.SerializeAsString()));
}

absl::StatusCode CodeOf(v1::ErrorReason reason) {
  const google::protobuf::EnumValueDescriptor* const value =
      v1::ErrorReason_descriptor()->FindValueByNumber(reason);
  return static_cast<absl::StatusCode>(value->options().GetExtension(v1::explanation).code());
}

// The violations that an answer has room for, each within its bounds; at least one.
std::vector<FieldViolation> Fitting(const std::vector<FieldViolation>& violations) {
  std::vector<FieldViolation> fitting;
  size_t bytes = 0;
  for (const FieldViolation& violation : violations) {
    FieldViolation bounded = {BoundedText(violation.field, kMaxNameBytes),
                              BoundedText(violation.description, kMaxDescriptionBytes)};
    constexpr size_t kFraming = 12;  // tags and lengths
    bytes += bounded.field.size() + bounded.description.size() + kFraming;
    if (bytes > kMaxViolationsBytes) break;
    fitting.push_back(std::move(bounded));
  }
  return fitting;
}

std::string AndMore(size_t left_out) {
  return absl::StrCat("and ", left_out, left_out == 1 ? " more field" : " more fields");
}

void AttachViolations(absl::Status& status, const std::vector<FieldViolation>& violations) {
  const std::vector<FieldViolation> fitting = Fitting(violations);
  google::rpc::BadRequest detail;
  for (const FieldViolation& violation : fitting) {
    auto* added = detail.add_field_violations();
    added->set_field(violation.field);
    added->set_description(violation.description);
  }
  if (fitting.size() < violations.size()) {
    detail.add_field_violations()->set_description(AndMore(violations.size() - fitting.size()));
  }
  Attach(status, detail);
}

// As many as a message has room for.
std::string ListOf(const std::vector<FieldViolation>& violations) {
  constexpr size_t kCountBytes = 48;
  std::string list;
  for (size_t i = 0; i < violations.size(); ++i) {
    const std::string next =
        absl::StrCat(i == 0 ? "" : "; ", violations[i].field, ": ", violations[i].description);
    if (i > 0 && list.size() + next.size() > kMaxMessageBytes - kCountBytes) {
      return absl::StrCat(list, "; ", AndMore(violations.size() - i));
    }
    list += BoundedText(next, kMaxMessageBytes - kCountBytes);
  }
  return list;
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
  for (const auto& [name, value] : metadata) {
    (*detail.mutable_metadata())[name] = BoundedText(value, kMaxNameBytes);
  }
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
  violation->set_subject(BoundedText(subject, kMaxNameBytes));
  violation->set_description(BoundedText(description, kMaxDescriptionBytes));
  absl::Status status = ErrorWithReason(reason, description);
  Attach(status, detail);
  return status;
}

absl::Status PreconditionFailed(v1::ErrorReason reason, absl::string_view subject,
                                absl::string_view description) {
  google::rpc::PreconditionFailure detail;
  auto* violation = detail.add_violations();
  violation->set_type(v1::ErrorReason_Name(reason));
  violation->set_subject(BoundedText(subject, kMaxNameBytes));
  violation->set_description(BoundedText(description, kMaxDescriptionBytes));
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

absl::Status ShuttingDown() {
  return WithRetryAfter(absl::UnavailableError("the server is shutting down"), absl::Seconds(1));
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
  google::rpc::Status details = ToRpcStatus(status);
  details.set_message(BoundedText(details.message(), kMaxMessageBytes));
  int left_out = 0;
  while (details.ByteSizeLong() > kMaxDetailsBytes && details.details_size() > 0) {
    details.mutable_details()->RemoveLast();
    ++left_out;
  }
  std::string message = details.message();
  if (left_out > 0) absl::StrAppend(&message, " (", left_out, " details left out)");
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      details.SerializeAsString());
}

}  // namespace acclimate
