#include "server/tracing/span_exporter.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/time/clock.h"
#include "server/base/log.h"
#include "server/tracing/otlp_json.h"

namespace acclimate::tracing {

SpanExporter::SpanExporter(Poster post, metrics::ServerMetrics& metrics,
                           SpanExporterOptions options)
    : post_(std::move(post)),
      metrics_(metrics),
      options_(std::move(options)),
      thread_([this] { Run(); }) {}

SpanExporter::~SpanExporter() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    stop_at_ = absl::Now() + options_.stop_limit;
  }
  thread_.join();
}

void SpanExporter::Add(Span span) {
  absl::MutexLock lock(&mutex_);
  if (waiting_.size() >= options_.max_waiting) {
    metrics_.CountSpans("dropped", 1);
  } else {
    waiting_.push_back(std::move(span));
  }
}

void SpanExporter::Run() {
  for (std::vector<Span> batch = Next(); !batch.empty(); batch = Next()) {
    absl::Duration back_off = options_.first_back_off;
    while (!Send(batch)) {
      Pause(back_off);
      back_off = std::min(2 * back_off, options_.longest_back_off);
    }
  }
}

std::vector<Span> SpanExporter::Next() {
  const auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || waiting_.size() >= options_.batch;
  };
  absl::MutexLock lock(&mutex_);
  do {
    mutex_.AwaitWithTimeout(absl::Condition(&due), options_.interval);
  } while (waiting_.empty() && !stopping_);
  if (absl::Now() >= stop_at_) DropWaiting();
  const auto end = waiting_.begin() + std::min(waiting_.size(), options_.batch);
  std::vector<Span> batch(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return batch;
}

bool SpanExporter::Send(const std::vector<Span>& batch) {
  absl::Duration limit = options_.request_limit;
  {
    absl::MutexLock lock(&mutex_);
    limit = std::min(limit, stop_at_ - absl::Now());
  }
  const absl::Status status = post_(ToOtlpJson(batch, options_.resource), limit);
  if (status.ok()) {
    if (std::exchange(failing_, false)) LogInfo("spans are exported again");
    metrics_.CountSpans("exported", batch.size());
    return true;
  }
  if (!std::exchange(failing_, true)) {
    LogWarning("spans are not exported", {{"error", status}});
  }
  absl::MutexLock lock(&mutex_);
  if (absl::IsUnavailable(status) && !stopping_) return false;
  metrics_.CountSpans("dropped", batch.size());
  if (stopping_) DropWaiting();
  return true;
}

void SpanExporter::DropWaiting() {
  if (!waiting_.empty()) metrics_.CountSpans("dropped", std::exchange(waiting_, {}).size());
}

void SpanExporter::Pause(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&stopping_), duration);
}

}  // namespace acclimate::tracing
