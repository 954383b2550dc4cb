// The stream of one WatchJob.
#ifndef ACCLIMATE_SERVER_API_WATCH_STREAM_H_
#define ACCLIMATE_SERVER_API_WATCH_STREAM_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "acclimate/v1/job_service.grpc.pb.h"
#include "server/api/rpc.h"
#include "server/jobs/job_queue.h"

namespace acclimate::api {

// Sends what a watch has, one event at a time: the next is taken when gRPC has room for it, so that
// a client that reads slowly fills no memory here.
class WatchStream final : public grpc::ServerWriteReactor<v1::WatchJobResponse> {
 public:
  // Deletes itself when the call is over.
  static WatchStream* Start(jobs::JobQueue& queue, CallGate& gate,
                            grpc::CallbackServerContext& context,
                            const v1::WatchJobRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  WatchStream(CallGate& gate, grpc::CallbackServerContext& context);

  absl::Status Open(jobs::JobQueue& queue, const v1::WatchJobRequest& request, Caller& caller);
  // Sends the next event, or the end, unless an event is still under way.
  void Advance();
  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::shared_ptr<WatchStream> self_;  // until the call is over
  OpenCall call_;
  absl::Mutex mutex_;
  std::shared_ptr<jobs::WatchHub::Watch> watch_;
  v1::WatchJobResponse response_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_WATCH_STREAM_H_
