// Who watches which job, and what they are told.
#ifndef ACCLIMATE_SERVER_JOBS_WATCH_HUB_H_
#define ACCLIMATE_SERVER_JOBS_WATCH_HUB_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "acclimate/v1/job.pb.h"
#include "server/jobs/job_store.h"

namespace acclimate::jobs {

// A watch holds no thread, and asks for nothing while there is nothing new: it takes what there is,
// and is called when there is more. Of each watched job the newest events are kept in memory, for
// all its watches together; who needs older ones gets them from the store, a little at a time. A
// watch that is so far behind that what it needs has left memory loses progress points, and gets a
// MetricsDropped in their place; what was there when it began is given in full.
//
// Thread-safe. Outlives its watches; the store outlives it.
class WatchHub {
 public:
  // What a watch has next: an event, or its end, or nothing yet.
  struct Step {
    std::optional<v1::JobEvent> event;
    std::optional<absl::Status> end;
  };

  // The events of one job after a cursor, in order, until the job has ended.
  class Watch : public std::enable_shared_from_this<Watch> {
   public:
    ~Watch();

    // After a step with nothing `ready` is called, once. The end is OK with the job's last event,
    // NOT_FOUND when the job was deleted, UNAVAILABLE on Shutdown(), or what the store said.
    Step Next();
    // From now on `ready` is not called, but for a call that is under way.
    void Close();

   private:
    friend class WatchHub;
    struct Start {
      std::string job;
      int64_t after_cursor = 0;
      std::function<void()> ready;
    };
    Watch(WatchHub& hub, Start start);

    WatchHub& hub_;
    const std::string job_;
    // All below under the hub's mutex.
    std::function<void()> ready_;
    int64_t sent_;                   // the cursor of the last event that was taken
    int64_t replay_end_ = 0;         // up to here nothing is left out
    std::deque<v1::JobEvent> read_;  // from the store
    absl::Status failure_;
    bool waiting_ = false;  // `ready` is owed
    bool reading_ = false;  // what comes next is being read
    bool ended_ = false;
  };

  // `backlog_bytes`: of the newest events of a watched job, serialised.
  WatchHub(JobStore* store, int64_t backlog_bytes);
  ~WatchHub();

  // `ready` may be called from the time of the first Next(), by a thread of the hub, without locks.
  // NOT_FOUND: there is no such job. OUT_OF_RANGE: it has fewer events.
  absl::StatusOr<std::shared_ptr<Watch>> Open(const std::string& job, int64_t after_cursor,
                                              std::function<void()> ready);

  // After every commit: the job as it is now, and the events that the commit added, as they were
  // before they had their cursors.
  void Publish(const v1::Job& job, std::vector<v1::JobEvent> events);
  void PublishDeleted(const std::string& job);
  // Ends every watch, and those that come later.
  void Shutdown();

 private:
  // What is known of a watched job.
  struct Channel {
    std::set<Watch*> watches;
    int64_t last_cursor = 0;
    bool deleted = false;
    std::deque<v1::JobEvent> tail;  // the newest events, without gaps
    int64_t tail_bytes = 0;
    int64_t evicted = 0;  // the last event that had no room in the tail
  };

  Step NextOf(Watch& watch);
  void Forget(Watch& watch);
  void AddToTail(Channel& channel, v1::JobEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake(Channel& channel) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake(Watch& watch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Reads for the watches that need older events.
  void Read();
  void ReadFor(Watch& watch);
  // Calls those who wait.
  void Call();

  JobStore* const store_;
  const int64_t backlog_bytes_;
  absl::Mutex mutex_;
  bool shutdown_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Channel> channels_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Watch>> to_read_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::function<void()>> to_call_ ABSL_GUARDED_BY(mutex_);
  absl::CondVar something_to_read_;
  absl::CondVar something_to_call_;
  std::thread reader_;
  std::thread caller_;
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_WATCH_HUB_H_
