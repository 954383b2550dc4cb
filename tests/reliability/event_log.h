// Invariant I3: whoever watches a job, from any cursor, sees the same events without gap, duplicate
// or another order.
#ifndef ACCLIMATE_TESTS_RELIABILITY_EVENT_LOG_H_
#define ACCLIMATE_TESTS_RELIABILITY_EVENT_LOG_H_

#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "acclimate/v1/job.pb.h"
#include "client/lib/connection.h"

namespace acclimate::reliability {

// The events after the cursor that come within `limit`, or until there are `most`. A stream that
// breaks gives what came before.
std::vector<v1::JobEvent> ReadEvents(client::Connection& connection, const std::string& job,
                                     int64_t after, size_t most, absl::Duration limit);

// What all watchers of all jobs have seen. Thread-safe.
class EventLog {
 public:
  // Fails the test where `events`, seen after the cursor `after`, do not follow it one by one, or
  // are not what somebody else saw at the same cursor.
  void Add(const std::string& job, int64_t after, const std::vector<v1::JobEvent>& events);
  // The highest cursor that anybody has seen; 0: none.
  int64_t LastCursor(const std::string& job) const;

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, std::map<int64_t, std::string>> seen_ ABSL_GUARDED_BY(mutex_);
};

// Of a job that has ended or stands still: reads its whole history, and again from `cursors` random
// places in it. Returns it.
std::vector<v1::JobEvent> ExpectWholeHistory(client::Connection& connection, const v1::Job& job,
                                             uint64_t seed, int cursors);

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_EVENT_LOG_H_
