#include "server/api/rpc.h"

#include <new>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/log.h"

namespace acclimate::api {

grpc::Status EndCall(metrics::ServerMetrics& metrics, absl::string_view call, absl::Time start,
                     const absl::Status& status) {
  metrics.ObserveCall(call, absl::StatusCodeToString(status.code()), absl::Now() - start);
  if (!status.ok()) LogDebug("call failed", {{"call", call}, {"status", status}});
  return ToGrpcStatus(status);
}

absl::Status ExceptionToStatus(const std::exception& exception) {
  LogError("a handler threw", {{"error", exception.what()}});
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    return absl::ResourceExhaustedError("the server is out of memory");
  }
  return absl::InternalError(exception.what());
}

}  // namespace acclimate::api
