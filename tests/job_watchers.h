// Watchers of a job by the thousand: none has a thread of its own.
#ifndef ACCLIMATE_TESTS_JOB_WATCHERS_H_
#define ACCLIMATE_TESTS_JOB_WATCHERS_H_

#include <cstdint>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/time/time.h"
#include "acclimate/v1/job_service.grpc.pb.h"

namespace acclimate {

// Reads the events of a job to its end. What it has seen may be asked for once it has ended.
class JobReader final : public grpc::ClientReadReactor<v1::WatchJobResponse> {
 public:
  // Counts `begun` down with its first event, `ended` with its end; all outlive it.
  JobReader(v1::JobService::Stub& stub, const v1::WatchJobRequest& request,
            absl::BlockingCounter& begun, absl::BlockingCounter& ended);

  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  const grpc::Status& status() const { return status_; }
  int64_t cursor() const { return cursor_; }          // of the last event
  int out_of_order() const { return out_of_order_; }  // events that did not follow the one before
  // How late events came: those of the states, and the others; without the first event.
  const std::vector<absl::Duration>& states() const { return states_; }
  const std::vector<absl::Duration>& others() const { return others_; }

 private:
  absl::BlockingCounter& begun_;
  absl::BlockingCounter& ended_;
  grpc::ClientContext context_;
  v1::WatchJobResponse response_;
  int64_t cursor_ = 0;
  int out_of_order_ = 0;
  grpc::Status status_;
  std::vector<absl::Duration> states_, others_;
};

// Asks for a job's events and takes none, until it is cancelled.
class DeafWatcher final : public grpc::ClientReadReactor<v1::WatchJobResponse> {
 public:
  DeafWatcher(v1::JobService::Stub& stub, const v1::WatchJobRequest& request,
              absl::BlockingCounter& ended);
  void Cancel();
  void OnDone(const grpc::Status& status) override;

 private:
  absl::BlockingCounter& ended_;
  grpc::ClientContext context_;
};

// The time within which the `part` of them came.
absl::Duration Percentile(std::vector<absl::Duration> times, double part);

}  // namespace acclimate

#endif  // ACCLIMATE_TESTS_JOB_WATCHERS_H_
