// Statuses that carry google.rpc details, and their way onto the wire.
//
// The details travel as payloads of an absl::Status, so that code below the API can attach them
// without knowing gRPC; ToGrpcStatus() puts them into grpc-status-details-bin.
#ifndef ACCLIMATE_SERVER_BASE_ERRORS_H_
#define ACCLIMATE_SERVER_BASE_ERRORS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace acclimate {

inline constexpr absl::string_view kErrorDomain = "acclimate.dev";

struct FieldViolation {
  std::string field;  // "spec.hyperparameters[\"momentum\"]"
  std::string description;
};

// INVALID_ARGUMENT with a BadRequest of all violations, which the message lists too.
absl::Status BadRequest(const std::vector<FieldViolation>& violations);
absl::Status BadRequest(absl::string_view field, absl::string_view description);

// RESOURCE_EXHAUSTED with a QuotaFailure: `subject` is what ran out, as "disk:/var/lib/acclimate".
absl::Status QuotaExceeded(absl::string_view subject, absl::string_view description);

// FAILED_PRECONDITION with a PreconditionFailure: `type` as "JOB_STATE".
absl::Status PreconditionFailed(absl::string_view type, absl::string_view subject,
                                absl::string_view description);

// The same status with an ErrorInfo of kErrorDomain. `reason` is UPPER_SNAKE_CASE and stable:
// programs may depend on it.
absl::Status WithErrorInfo(absl::Status status, absl::string_view reason,
                           const std::map<std::string, std::string>& metadata = {});
// The reason that WithErrorInfo() gave the status; empty: none.
std::string ReasonOf(const absl::Status& status);
// The same status with a RetryInfo.
absl::Status WithRetryAfter(absl::Status status, absl::Duration delay);

google::rpc::Status ToRpcStatus(const absl::Status& status);
absl::Status FromRpcStatus(const google::rpc::Status& status);
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_ERRORS_H_
