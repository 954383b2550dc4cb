#include "server/api/unreadable_requests.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "server/base/errors.h"
#include "server/base/log.h"

namespace acclimate::api {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerInterceptorFactoryInterface;
using grpc::experimental::ServerRpcInfo;

class UnreadableRequest : public Interceptor {
 public:
  UnreadableRequest(ServerRpcInfo& info, metrics::ServerMetrics& metrics)
      : info_(info), metrics_(metrics) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      unreadable_ = methods->GetRecvMessage() == nullptr;
    }
    if (unreadable_ &&
        methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      Refuse(*methods);
    }
    methods->Proceed();
  }

 private:
  void Refuse(InterceptorBatchMethods& methods) {
    const std::string call(absl::StripPrefix(info_.method(), "/"));
    const absl::Status status = absl::InvalidArgumentError(
        absl::StrCat("the request of ", call, " is not a readable message of its type"));
    metrics_.ObserveCall(call, absl::StatusCodeToString(status.code()), absl::ZeroDuration());
    LogDebug("call failed", {{"call", call}, {"status", status}});
    methods.ModifySendStatus(ToGrpcStatus(status));
  }

  ServerRpcInfo& info_;
  metrics::ServerMetrics& metrics_;
  bool unreadable_ = false;
};

class UnreadableRequests : public ServerInterceptorFactoryInterface {
 public:
  explicit UnreadableRequests(metrics::ServerMetrics& metrics) : metrics_(metrics) {}

  // A stream of requests has its own ends: no message may mean that there is none left.
  Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    const bool one_request = info->type() == ServerRpcInfo::Type::UNARY ||
                             info->type() == ServerRpcInfo::Type::SERVER_STREAMING;
    return one_request ? new UnreadableRequest(*info, metrics_) : nullptr;
  }

 private:
  metrics::ServerMetrics& metrics_;
};

}  // namespace

std::unique_ptr<ServerInterceptorFactoryInterface> RefuseUnreadableRequests(
    metrics::ServerMetrics& metrics) {
  return std::make_unique<UnreadableRequests>(metrics);
}

}  // namespace acclimate::api
