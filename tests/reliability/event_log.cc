#include "tests/reliability/event_log.h"

#include <random>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"

namespace acclimate::reliability {

std::vector<v1::JobEvent> ReadEvents(client::Connection& connection, const std::string& job,
                                     int64_t after, size_t most, absl::Duration limit) {
  std::vector<v1::JobEvent> events;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
  v1::WatchJobRequest request;
  request.set_name(job);
  request.set_after_cursor(after);
  const auto reader = connection.jobs().WatchJob(&context, request);
  v1::WatchJobResponse response;
  while (events.size() < most && reader->Read(&response)) events.push_back(response.event());
  context.TryCancel();
  reader->Finish();
  return events;
}

void EventLog::Add(const std::string& job, int64_t after, const std::vector<v1::JobEvent>& events) {
  absl::MutexLock lock(&mutex_);
  std::map<int64_t, std::string>& known = seen_[job];
  for (const v1::JobEvent& event : events) {
    if (event.has_dropped()) {  // metric points that a slow reader is told of
      EXPECT_EQ(event.dropped().first_cursor(), after + 1) << job;
      after = event.dropped().last_cursor();
      continue;
    }
    EXPECT_EQ(event.cursor(), ++after) << job << ": " << event.ShortDebugString();
    const std::string bytes = e2e::Bytes(event);
    const auto [place, first] = known.emplace(event.cursor(), bytes);
    EXPECT_TRUE(first || place->second == bytes)
        << job << ": event " << event.cursor()
        << " is another one now: " << event.ShortDebugString();
  }
}

int64_t EventLog::LastCursor(const std::string& job) const {
  absl::MutexLock lock(&mutex_);
  const auto found = seen_.find(job);
  return found == seen_.end() || found->second.empty() ? 0 : found->second.rbegin()->first;
}

std::vector<v1::JobEvent> ExpectWholeHistory(client::Connection& connection, const v1::Job& job,
                                             uint64_t seed, int cursors) {
  EventLog log;
  const auto read = [&](int64_t after) {
    const auto left = static_cast<size_t>(job.last_cursor() - after);
    std::vector<v1::JobEvent> events =
        ReadEvents(connection, job.name(), after, left, absl::Minutes(5));
    log.Add(job.name(), after, events);
    EXPECT_EQ(events.size(), left) << job.name() << " after " << after;
    return events;
  };
  std::vector<v1::JobEvent> whole = read(0);
  std::mt19937_64 random(seed);
  for (int i = 0; i < cursors; ++i) {
    read(std::uniform_int_distribution<int64_t>(0, job.last_cursor())(random));
  }
  return whole;
}

}  // namespace acclimate::reliability
