// The progress points of one attempt that are not written yet.
#ifndef ACCLIMATE_SERVER_JOBS_PROGRESS_BUFFER_H_
#define ACCLIMATE_SERVER_JOBS_PROGRESS_BUFFER_H_

#include <deque>
#include <string>

#include "absl/time/time.h"
#include "acclimate/v1/job.pb.h"
#include "server/base/instant.h"

namespace acclimate::jobs {

// Keeps the newest point of each phase: a worker may report every step, the store is asked once an
// interval. Not thread-safe.
class ProgressBuffer {
 public:
  // Returns whether the point begins a phase.
  bool Add(const v1::Progress& point);
  // Oldest first.
  std::deque<v1::Progress> Take(Instant now);
  // When the points are to be written, if they are written at most once an `interval`: never when
  // there are none, and at once after the first points of a phase and of training, as long as
  // there are not many phases.
  Instant FlushAt(absl::Duration interval) const;

 private:
  std::deque<v1::Progress> points_;  // one a phase, newest last
  Instant last_taken_ = Instant::Always();
  std::string phase_;     // of the newest point
  bool stepped_ = false;  // a point with a training step has come
  bool prompt_ = false;   // do not wait for the interval
  int prompt_left_ = 32;  // a worker that changes its phase for ever is slowed down
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_PROGRESS_BUFFER_H_
