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
#include "acclimate/v1/error_reason.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace acclimate {

inline constexpr absl::string_view kErrorDomain = "acclimate.dev";

struct FieldViolation {
  std::string field;  // "spec.hyperparameters[\"momentum\"]"
  std::string description;
};

// INVALID_ARGUMENT with a BadRequest of all violations, which the message lists too. Both end with
// how many were left out where they are more than an answer has room for.
absl::Status BadRequest(const std::vector<FieldViolation>& violations);
absl::Status BadRequest(absl::string_view field, absl::string_view description);

// An error with an ErrorInfo of kErrorDomain. error_reason.proto, the list of all reasons, says
// which code comes with which.
absl::Status ErrorWithReason(v1::ErrorReason reason, absl::string_view message,
                             const std::map<std::string, std::string>& metadata = {});
// The same, with a BadRequest.
absl::Status BadRequest(v1::ErrorReason reason, absl::string_view field,
                        absl::string_view description);
// The same, with a QuotaFailure: `subject` is what ran out, as "disk:/var/lib/acclimate".
absl::Status QuotaExceeded(v1::ErrorReason reason, absl::string_view subject,
                           absl::string_view description);
// The same, with a PreconditionFailure whose type is the reason's name.
absl::Status PreconditionFailed(v1::ErrorReason reason, absl::string_view subject,
                                absl::string_view description);
// The name of the status's reason; empty: it has none.
std::string ReasonOf(const absl::Status& status);

// The status with a RetryInfo.
absl::Status WithRetryAfter(absl::Status status, absl::Duration delay);
// UNAVAILABLE, with when the next server may be there.
absl::Status ShuttingDown();

google::rpc::Status ToRpcStatus(const absl::Status& status);
absl::Status FromRpcStatus(const google::rpc::Status& status);
// Message and details together fit the 8 KiB of metadata that gRPC's clients take with an answer:
// what is beyond is cut, and the message says how much that was.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_ERRORS_H_
