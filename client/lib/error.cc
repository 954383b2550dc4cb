#include "client/lib/error.h"

#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace acclimate::client {
namespace {

constexpr char kDetailsUrl[] = "type.googleapis.com/google.rpc.Status";

absl::Status WithDetails(absl::StatusCode code, const std::string& message,
                         const std::string& details) {
  absl::Status status(code, message);
  if (!status.ok() && !details.empty()) status.SetPayload(kDetailsUrl, absl::Cord(details));
  return status;
}

std::optional<google::rpc::Status> Details(const absl::Status& status) {
  absl::optional<absl::Cord> payload = status.GetPayload(kDetailsUrl);
  google::rpc::Status details;
  if (!payload.has_value() || !details.ParseFromString(std::string(*payload))) return std::nullopt;
  return details;
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  // gRPC's word for calls that a server which stops never took up. Who cancels one himself knows.
  const auto code = status.error_code() == grpc::StatusCode::CANCELLED
                        ? absl::StatusCode::kUnavailable
                        : static_cast<absl::StatusCode>(status.error_code());
  return WithDetails(code, status.error_message(), status.error_details());
}

absl::Status FromProto(const google::rpc::Status& status) {
  return WithDetails(static_cast<absl::StatusCode>(status.code()), status.message(),
                     status.SerializeAsString());
}

std::vector<FieldViolation> FieldViolations(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  std::optional<google::rpc::Status> details = Details(status);
  if (!details.has_value()) return violations;
  for (const google::protobuf::Any& detail : details->details()) {
    google::rpc::BadRequest bad_request;
    if (!detail.UnpackTo(&bad_request)) continue;
    for (const auto& violation : bad_request.field_violations()) {
      violations.push_back({violation.field(), violation.description()});
    }
  }
  return violations;
}

std::string ErrorText(const absl::Status& status) {
  std::string text(status.message());
  if (text.empty()) text = absl::StatusCodeToString(status.code());
  for (const FieldViolation& violation : FieldViolations(status)) {
    // The last one has no field where it counts those that were left out.
    absl::StrAppend(&text, "\n  ", violation.field, violation.field.empty() ? "" : ": ",
                    violation.description);
  }
  return text;
}

std::optional<absl::Duration> RetryDelay(const absl::Status& status) {
  std::optional<google::rpc::Status> details = Details(status);
  if (!details.has_value()) return std::nullopt;
  for (const google::protobuf::Any& detail : details->details()) {
    google::rpc::RetryInfo retry;
    if (!detail.UnpackTo(&retry)) continue;
    return absl::Seconds(retry.retry_delay().seconds()) +
           absl::Nanoseconds(retry.retry_delay().nanos());
  }
  return std::nullopt;
}

bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status) ||
         (absl::IsResourceExhausted(status) && RetryDelay(status).has_value());
}

}  // namespace acclimate::client
