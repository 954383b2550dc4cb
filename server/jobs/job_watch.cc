// JobQueue::Watch: the replay of a job's history, and then its live end.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/jobs/job_queue.h"
#include "server/jobs/state_machine.h"

namespace acclimate::jobs {
namespace {

constexpr int kEventsPerRead = 256;
constexpr absl::Duration kCancellationCheck = absl::Milliseconds(200);

bool EndsJob(const v1::JobEvent& event) {
  return event.has_state() && IsTerminal(event.state().to());
}

// Puts one MetricsDropped in the place of each run of progress points.
std::vector<v1::JobEvent> DropProgress(std::vector<v1::JobEvent> events) {
  std::vector<v1::JobEvent> kept;
  for (v1::JobEvent& event : events) {
    if (!event.has_progress()) {
      kept.push_back(std::move(event));
      continue;
    }
    if (kept.empty() || !kept.back().has_dropped()) {
      kept.emplace_back().mutable_dropped()->set_first_cursor(event.cursor());
    }
    v1::JobEvent& dropped = kept.back();
    dropped.mutable_dropped()->set_last_cursor(event.cursor());
    dropped.set_cursor(event.cursor());
    dropped.set_attempt(event.attempt());
    *dropped.mutable_time() = event.time();
  }
  return kept;
}

}  // namespace

// Holds a job's channel open.
class JobQueue::Subscription {
 public:
  Subscription(JobQueue* queue, const std::string& name) : queue_(queue) {
    absl::MutexLock lock(&queue_->mutex_);
    channel_ = queue_->channels_.try_emplace(name).first;
    ++channel_->second.watchers;
  }
  ~Subscription() {
    absl::MutexLock lock(&queue_->mutex_);
    if (--channel_->second.watchers == 0) queue_->channels_.erase(channel_);
  }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  int64_t LastCursor() {
    absl::MutexLock lock(&queue_->mutex_);
    return channel_->second.last_cursor;
  }

  // Until there is an event after the cursor, or `limit` has passed.
  absl::Status WaitFor(int64_t cursor, absl::Duration limit) {
    absl::MutexLock lock(&queue_->mutex_);
    Channel& channel = channel_->second;
    const auto nothing_new = [&] {
      return channel.last_cursor <= cursor && !channel.deleted && !queue_->shutdown_;
    };
    if (nothing_new()) channel.changed.WaitWithTimeout(&queue_->mutex_, limit);
    if (channel.deleted) return absl::NotFoundError("the job was deleted");
    return queue_->shutdown_ ? ShuttingDown() : absl::OkStatus();
  }

 private:
  JobQueue* const queue_;
  std::map<std::string, Channel>::iterator channel_;
};

absl::Status JobQueue::Watch(const std::string& name, int64_t after_cursor, const EventSink& sink,
                             const std::function<bool()>& cancelled) {
  Subscription subscription(this, name);  // first, so that no change goes unnoticed
  absl::StatusOr<v1::Job> job = store_->Get(name);
  if (!job.ok()) return job.status();
  const int64_t replayed_in_full = job->last_cursor();
  if (after_cursor > replayed_in_full) {
    return absl::OutOfRangeError(absl::StrCat(
        "after_cursor is ", after_cursor, "; the last event of ", name, " is ", replayed_in_full));
  }
  bool ended = IsTerminal(job->state()) && after_cursor == replayed_in_full;
  int64_t sent = after_cursor;
  while (!ended) {
    absl::StatusOr<std::vector<v1::JobEvent>> events = store_->Events(name, sent, kEventsPerRead);
    if (!events.ok()) return events.status();
    const bool behind =
        sent >= replayed_in_full && subscription.LastCursor() - sent > options_.max_watch_backlog;
    if (behind) *events = DropProgress(*std::move(events));
    for (const v1::JobEvent& event : *events) {
      if (!sink(event)) return absl::OkStatus();
      sent = event.cursor();
      ended = EndsJob(event);
    }
    if (!events->empty()) continue;
    if (cancelled()) return absl::CancelledError("the watcher has gone");
    absl::Status status = subscription.WaitFor(sent, kCancellationCheck);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace acclimate::jobs
