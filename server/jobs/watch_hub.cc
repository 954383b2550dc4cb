#include "server/jobs/watch_hub.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/jobs/state_machine.h"

namespace acclimate::jobs {
namespace {

// What is read for one watch at a time: so much memory a watch has at most, and an event.
constexpr int64_t kBytesAtATime = 32 << 10;

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

WatchHub::Watch::Watch(WatchHub& hub, Start start)
    : hub_(hub),
      job_(std::move(start.job)),
      ready_(std::move(start.ready)),
      sent_(start.after_cursor) {}

WatchHub::Watch::~Watch() { Close(); }

WatchHub::Step WatchHub::Watch::Next() { return hub_.NextOf(*this); }

void WatchHub::Watch::Close() { hub_.Forget(*this); }

WatchHub::WatchHub(JobStore* store, int64_t backlog_bytes)
    : store_(store),
      backlog_bytes_(backlog_bytes),
      reader_([this] { Read(); }),
      caller_([this] { Call(); }) {}

WatchHub::~WatchHub() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
    something_to_read_.Signal();
    something_to_call_.Signal();
  }
  reader_.join();
  caller_.join();
}

absl::StatusOr<std::shared_ptr<WatchHub::Watch>> WatchHub::Open(const std::string& job,
                                                                int64_t after_cursor,
                                                                std::function<void()> ready) {
  std::shared_ptr<Watch> watch(new Watch(*this, {job, after_cursor, std::move(ready)}));
  {
    // First, so that no change goes unnoticed.
    absl::MutexLock lock(&mutex_);
    channels_[job].watches.insert(watch.get());
  }
  const absl::StatusOr<v1::Job> now = store_->Get(job);
  if (!now.ok()) return now.status();
  const int64_t last = now->last_cursor();
  if (after_cursor > last) {
    return absl::OutOfRangeError(
        absl::StrCat("after_cursor is ", after_cursor, "; the last event of ", job, " is ", last));
  }
  absl::MutexLock lock(&mutex_);
  Channel& channel = channels_[job];
  channel.last_cursor = std::max(channel.last_cursor, last);
  watch->replay_end_ = last;
  watch->ended_ = IsTerminal(now->state()) && after_cursor == last;
  return watch;
}

WatchHub::Step WatchHub::NextOf(Watch& watch) {
  absl::MutexLock lock(&mutex_);
  Step step;
  const auto found = channels_.find(watch.job_);
  if (watch.ended_ || found == channels_.end()) {
    step.end = absl::OkStatus();
    return step;
  }
  const Channel& channel = found->second;
  const int64_t next = watch.sent_ + 1;
  if (!watch.failure_.ok()) {
    step.end = watch.failure_;
  } else if (channel.deleted) {
    step.end = absl::NotFoundError("the job was deleted");
  } else if (shutdown_) {
    step.end = ShuttingDown();
  } else if (!watch.read_.empty()) {
    step.event = std::move(watch.read_.front());
    watch.read_.pop_front();
  } else if (!watch.reading_ && !channel.tail.empty() && channel.tail.front().cursor() <= next &&
             next <= channel.tail.back().cursor()) {
    step.event = channel.tail[next - channel.tail.front().cursor()];
  } else {
    watch.waiting_ = true;
    if (channel.last_cursor >= next && !std::exchange(watch.reading_, true)) {
      to_read_.push_back(watch.shared_from_this());
      something_to_read_.Signal();
    }
  }
  if (step.event.has_value()) {
    watch.sent_ = step.event->cursor();
    watch.ended_ = EndsJob(*step.event);
  }
  return step;
}

void WatchHub::Forget(Watch& watch) {
  std::function<void()> ready;  // what it holds is let go without the lock
  absl::MutexLock lock(&mutex_);
  ready.swap(watch.ready_);
  const auto found = channels_.find(watch.job_);
  if (found == channels_.end()) return;
  found->second.watches.erase(&watch);
  if (found->second.watches.empty()) channels_.erase(found);
}

void WatchHub::AddToTail(Channel& channel, v1::JobEvent event) {
  if (!channel.tail.empty() && event.cursor() != channel.tail.back().cursor() + 1) {
    // Commits are published in another order than they were made: the store has them all.
    if (event.cursor() <= channel.tail.back().cursor()) return;
    channel.tail.clear();
    channel.tail_bytes = 0;
  }
  channel.tail_bytes += static_cast<int64_t>(event.ByteSizeLong());
  channel.tail.push_back(std::move(event));
  while (channel.tail_bytes > backlog_bytes_ && channel.tail.size() > 1) {
    channel.tail_bytes -= static_cast<int64_t>(channel.tail.front().ByteSizeLong());
    channel.evicted = channel.tail.front().cursor();
    channel.tail.pop_front();
  }
}

void WatchHub::Publish(const v1::Job& job, std::vector<v1::JobEvent> events) {
  absl::MutexLock lock(&mutex_);
  const auto found = channels_.find(job.name());
  if (found == channels_.end()) return;
  Channel& channel = found->second;
  int64_t cursor = job.last_cursor() - static_cast<int64_t>(events.size());
  for (v1::JobEvent& event : events) {
    event.set_cursor(++cursor);
    AddToTail(channel, std::move(event));
  }
  channel.last_cursor = std::max(channel.last_cursor, job.last_cursor());
  Wake(channel);
}

void WatchHub::PublishDeleted(const std::string& job) {
  absl::MutexLock lock(&mutex_);
  const auto found = channels_.find(job);
  if (found == channels_.end()) return;
  found->second.deleted = true;
  Wake(found->second);
}

void WatchHub::Shutdown() {
  absl::MutexLock lock(&mutex_);
  shutdown_ = true;
  for (auto& [job, channel] : channels_) Wake(channel);
}

void WatchHub::Wake(Channel& channel) {
  for (Watch* const watch : channel.watches) {
    if (!watch->reading_) Wake(*watch);
  }
}

void WatchHub::Wake(Watch& watch) {
  if (!std::exchange(watch.waiting_, false) || !watch.ready_) return;
  to_call_.push_back(watch.ready_);
  something_to_call_.Signal();
}

void WatchHub::Call() {
  while (true) {
    std::deque<std::function<void()>> calls;
    {
      absl::MutexLock lock(&mutex_);
      while (to_call_.empty() && !stop_) something_to_call_.Wait(&mutex_);
      if (stop_) return;
      calls.swap(to_call_);
    }
    for (const std::function<void()>& call : calls) call();
  }
}

void WatchHub::Read() {
  while (true) {
    std::shared_ptr<Watch> watch;
    {
      absl::MutexLock lock(&mutex_);
      while (to_read_.empty() && !stop_) something_to_read_.Wait(&mutex_);
      if (stop_) return;
      watch = std::move(to_read_.front());
      to_read_.pop_front();
    }
    ReadFor(*watch);
  }
}

void WatchHub::ReadFor(Watch& watch) {
  int64_t after = 0;
  bool behind = false;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = channels_.find(watch.job_);
    if (found == channels_.end()) return;
    after = watch.sent_;
    behind = after >= watch.replay_end_ && after < found->second.evicted;
  }
  absl::StatusOr<std::vector<v1::JobEvent>> events =
      store_->Events(watch.job_, {.after = after, .max_bytes = kBytesAtATime});
  if (events.ok() && behind) *events = DropProgress(*std::move(events));
  absl::MutexLock lock(&mutex_);
  watch.reading_ = false;
  if (events.ok()) {
    for (v1::JobEvent& event : *events) watch.read_.push_back(std::move(event));
  } else {
    watch.failure_ = events.status();
  }
  Wake(watch);
}

}  // namespace acclimate::jobs
