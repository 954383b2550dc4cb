// A closed loop of unary calls: always the same number in flight, from one thread, so that the
// client's own cost is the same whatever is called.
#ifndef ACCLIMATE_TESTS_BENCH_SERVICE_UNARY_LOAD_H_
#define ACCLIMATE_TESTS_BENCH_SERVICE_UNARY_LOAD_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "tests/bench/service/report.h"

namespace acclimate::bench {

// Calls "/package.Service/Method" with one request over and over.
template <typename Request, typename Response>
class UnaryLoad {
 public:
  UnaryLoad(const std::shared_ptr<grpc::Channel>& channel, std::string method, Request request,
            int in_flight)
      : stub_(channel),
        method_(std::move(method)),
        request_(std::move(request)),
        calls_(in_flight) {}

  // Answers a second over about `duration`. Any failed call ends the benchmark.
  double Rate(absl::Duration duration) {
    grpc::CompletionQueue queue;
    const absl::Time begin = absl::Now();
    const absl::Time end = begin + duration;
    for (std::unique_ptr<Call>& call : calls_) Start(call, queue);
    int64_t answers = 0;
    size_t open = calls_.size();
    void* tag;
    bool ok;
    while (open > 0 && queue.Next(&tag, &ok)) {
      auto& call = *static_cast<std::unique_ptr<Call>*>(tag);
      Require(call->status, method_);
      ++answers;
      if (absl::Now() < end) {
        Start(call, queue);
      } else {
        --open;
      }
    }
    return static_cast<double>(answers) / absl::ToDoubleSeconds(absl::Now() - begin);
  }

 private:
  struct Call {
    grpc::ClientContext context;
    Response response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
  };

  void Start(std::unique_ptr<Call>& call, grpc::CompletionQueue& queue) {
    call = std::make_unique<Call>();
    call->reader = stub_.PrepareUnaryCall(&call->context, method_, request_, &queue);
    call->reader->StartCall();
    call->reader->Finish(&call->response, &call->status, &call);
  }

  grpc::TemplatedGenericStub<Request, Response> stub_;
  const std::string method_;
  const Request request_;
  std::vector<std::unique_ptr<Call>> calls_;
};

}  // namespace acclimate::bench

#endif  // ACCLIMATE_TESTS_BENCH_SERVICE_UNARY_LOAD_H_
