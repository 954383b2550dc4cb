// Errors of calls: an absl::Status that carries the server's google.rpc.Status with its details.
#ifndef ACCLIMATE_CLIENT_LIB_ERROR_H_
#define ACCLIMATE_CLIENT_LIB_ERROR_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace acclimate::client {

struct FieldViolation {
  std::string field;  // "spec.hyperparameters.learning_rate"
  std::string description;
};

// CANCELLED, which gRPC says of calls that a stopping server never took up, becomes UNAVAILABLE.
absl::Status FromGrpc(const grpc::Status& status);
// As a failed job records it.
absl::Status FromProto(const google::rpc::Status& status);

// Every field that the server named; empty when it named none.
std::vector<FieldViolation> FieldViolations(const absl::Status& status);

// The message, then one indented line for each field at fault.
std::string ErrorText(const absl::Status& status);

// How long the server asks to wait before the next try; nullopt: it does not say.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

// True when the same call may succeed a little later without anybody doing anything: the server was
// away (UNAVAILABLE), another caller was in the way (ABORTED), or there were too many calls
// (RESOURCE_EXHAUSTED with a RetryDelay).
bool IsTransient(const absl::Status& status);

}  // namespace acclimate::client

#endif  // ACCLIMATE_CLIENT_LIB_ERROR_H_
