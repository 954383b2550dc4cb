#include "server/api/watch_stream.h"

#include <utility>

#include "server/api/tenant_access.h"
#include "server/base/errors.h"

namespace acclimate::api {

WatchStream::WatchStream(CallGate& gate, grpc::CallbackServerContext& context)
    : call_(gate, context, "acclimate.v1.JobService/WatchJob") {}

WatchStream* WatchStream::Start(jobs::JobQueue& queue, CallGate& gate,
                                grpc::CallbackServerContext& context,
                                const v1::WatchJobRequest& request) {
  const std::shared_ptr<WatchStream> stream(new WatchStream(gate, context));
  stream->self_ = stream;
  const absl::Status status =
      stream->call_.Enter([&](Caller& caller) { return stream->Open(queue, request, caller); });
  if (status.ok()) {
    stream->Advance();
  } else {
    absl::MutexLock lock(&stream->mutex_);
    stream->End(status);
  }
  return stream.get();
}

absl::Status WatchStream::Open(jobs::JobQueue& queue, const v1::WatchJobRequest& request,
                               Caller& caller) {
  const absl::StatusOr<ResourceName> name = JobOfName(request.name(), caller);
  if (!name.ok()) return name.status();
  if (request.after_cursor() < 0) return BadRequest("after_cursor", "must not be negative");
  auto watch =
      queue.Watch(request.name(), request.after_cursor(), [stream = self_] { stream->Advance(); });
  if (watch.ok()) watch_ = *std::move(watch);
  return watch.status();
}

void WatchStream::Advance() {
  absl::MutexLock lock(&mutex_);
  if (writing_ || ended_) return;
  jobs::WatchHub::Step step = watch_->Next();
  if (step.event.has_value()) {
    *response_.mutable_event() = *std::move(step.event);
    writing_ = true;
    StartWrite(&response_);
  } else if (step.end.has_value()) {
    End(*step.end);
  }
}

void WatchStream::End(const absl::Status& status) {
  if (!std::exchange(ended_, true)) Finish(call_.End(status));
}

void WatchStream::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) End(absl::CancelledError("the watcher has gone"));
  }
  Advance();
}

void WatchStream::OnCancel() {
  absl::MutexLock lock(&mutex_);
  End(absl::CancelledError("the watcher has gone"));
}

void WatchStream::OnDone() {
  if (watch_ != nullptr) watch_->Close();
  self_.reset();
}

}  // namespace acclimate::api
