#include "server/api/health_service.h"

#include <utility>

#include "server/base/errors.h"

namespace acclimate::api {

namespace health = grpc::health::v1;

// One watch: writes the state whenever it is another than the one written last. Deletes itself.
class HealthService::Watcher final : public grpc::ServerWriteReactor<health::HealthCheckResponse> {
 public:
  Watcher(HealthService& service, std::string name) : service_(service), name_(std::move(name)) {
    absl::MutexLock lock(&service_.mutex_);
    service_.watchers_.insert(this);
    WriteNext();
  }

  // What there is to say or to end, unless a message is still under way.
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(service_.mutex_) {
    if (writing_ || finished_) return;
    const auto status = service_.StatusOf(name_);
    if (status != response_.status()) {
      response_.set_status(status);
      writing_ = true;
      StartWrite(&response_);
    } else if (service_.draining_) {
      End(ToGrpcStatus(ShuttingDown()));
    }
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&service_.mutex_);
    writing_ = false;
    if (ok) {
      WriteNext();
    } else {
      End(grpc::Status::CANCELLED);
    }
  }
  void OnCancel() override {
    absl::MutexLock lock(&service_.mutex_);
    End(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    {
      absl::MutexLock lock(&service_.mutex_);
      service_.watchers_.erase(this);
    }
    delete this;
  }

 private:
  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(service_.mutex_) {
    if (!std::exchange(finished_, true)) Finish(status);
  }

  HealthService& service_;
  const std::string name_;
  health::HealthCheckResponse response_;  // UNKNOWN: nothing has been said yet
  bool writing_ ABSL_GUARDED_BY(service_.mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(service_.mutex_) = false;
};

HealthService::HealthService(std::set<std::string> services) : services_(std::move(services)) {}

HealthService::Response::ServingStatus HealthService::StatusOf(const std::string& service) const {
  if (services_.count(service) == 0) return Response::SERVICE_UNKNOWN;
  return serving_ && !draining_ ? Response::SERVING : Response::NOT_SERVING;
}

void HealthService::SetServing(bool serving) {
  absl::MutexLock lock(&mutex_);
  serving_ = serving;
  for (Watcher* const watcher : watchers_) watcher->WriteNext();
}

void HealthService::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  for (Watcher* const watcher : watchers_) watcher->WriteNext();
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const health::HealthCheckRequest* request,
                                               health::HealthCheckResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  Response::ServingStatus status;
  {
    absl::MutexLock lock(&mutex_);
    status = StatusOf(request->service());
  }
  response->set_status(status);
  reactor->Finish(status == Response::SERVICE_UNKNOWN
                      ? grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no such service")
                      : grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<health::HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext*, const health::HealthCheckRequest* request) {
  return new Watcher(*this, request->service());
}

}  // namespace acclimate::api
