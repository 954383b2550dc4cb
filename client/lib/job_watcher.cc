#include "client/lib/job_watcher.h"

#include "absl/strings/str_cat.h"
#include "client/lib/names.h"

namespace acclimate::client {

absl::StatusOr<v1::Job> JobWatcher::Watch(const std::string& job, int64_t after_cursor) {
  int64_t cursor = after_cursor;
  Retry retry(connection_, &cancelled_);
  while (true) {
    const int64_t before = cursor;
    absl::Status status = Stream(job, &cursor);
    if (cancelled_.HasBeenNotified()) break;
    if (status.ok()) {
      v1::GetJobRequest request;
      request.set_name(job);
      absl::StatusOr<v1::Job> current =
          connection_.Call<v1::Job>(connection_.jobs(), &v1::JobService::Stub::GetJob, request);
      if (!current.ok() || HasEnded(current->state())) return current;
      status = absl::UnavailableError("the server ended the stream before the job ended");
    }
    if (cursor > before) retry.NoteProgress();
    if (!retry.WaitAfter(status) && !cancelled_.HasBeenNotified()) {
      return connection_.Explained(status);
    }
    if (cancelled_.HasBeenNotified()) break;
  }
  return absl::CancelledError(absl::StrCat("stopped watching ", job, " after event ", cursor));
}

void JobWatcher::Cancel() {
  cancelled_.Notify();
  absl::MutexLock lock(&mutex_);
  if (context_ != nullptr) context_->TryCancel();
}

absl::Status JobWatcher::Stream(const std::string& job, int64_t* cursor) {
  grpc::ClientContext context;
  connection_.Prepare(context);
  {
    absl::MutexLock lock(&mutex_);
    if (cancelled_.HasBeenNotified()) return absl::CancelledError();
    context_ = &context;
  }
  v1::WatchJobRequest request;
  request.set_name(job);
  request.set_after_cursor(*cursor);
  auto reader = connection_.jobs().WatchJob(&context, request);
  v1::WatchJobResponse response;
  while (reader->Read(&response)) {
    connection_.NoteReached();
    const v1::JobEvent& event = response.event();
    if (event.has_dropped()) {
      *cursor = std::max(*cursor, event.dropped().last_cursor());
    } else if (event.cursor() <= *cursor) {
      continue;
    } else {
      *cursor = event.cursor();
    }
    listener_(event);
  }
  const absl::Status status = FromGrpc(reader->Finish());
  absl::MutexLock lock(&mutex_);
  context_ = nullptr;
  return status;
}

}  // namespace acclimate::client
