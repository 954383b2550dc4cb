// The standard health service (grpc.health.v1), for orchestrators and balancers.
#ifndef ACCLIMATE_SERVER_API_HEALTH_SERVICE_H_
#define ACCLIMATE_SERVER_API_HEALTH_SERVICE_H_

#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace acclimate::api {

// gRPC's own has watches that only the end of the server ends, which then waits for them. A watch
// holds no thread. Thread-safe.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `services` share one state, which is NOT_SERVING until SetServing(); "" is the whole server.
  explicit HealthService(std::set<std::string> services);

  void SetServing(bool serving);
  // Every watch says NOT_SERVING and ends with UNAVAILABLE, as do those that come later.
  void Drain();

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  using Response = grpc::health::v1::HealthCheckResponse;
  class Watcher;

  Response::ServingStatus StatusOf(const std::string& service) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::set<std::string> services_;
  absl::Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Watcher*> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_HEALTH_SERVICE_H_
