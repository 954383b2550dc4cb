#include "tests/job_watchers.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "server/base/proto_time.h"

namespace acclimate {

JobReader::JobReader(v1::JobService::Stub& stub, const v1::WatchJobRequest& request,
                     absl::BlockingCounter& begun, absl::BlockingCounter& ended)
    : begun_(begun), ended_(ended) {
  stub.async()->WatchJob(&context_, &request, this);
  StartRead(&response_);
  StartCall();
}

void JobReader::OnReadDone(bool ok) {
  if (!ok) return;
  const absl::Time now = absl::Now();
  const v1::JobEvent& event = response_.event();
  if (event.cursor() != cursor_ + 1) ++out_of_order_;
  if (cursor_ == 0) {
    begun_.DecrementCount();
  } else {
    (event.has_state() ? states_ : others_).push_back(now - FromProtoTimestamp(event.time()));
  }
  cursor_ = event.cursor();
  StartRead(&response_);
}

void JobReader::OnDone(const grpc::Status& status) {
  status_ = status;
  if (cursor_ == 0) begun_.DecrementCount();
  ended_.DecrementCount();
}

DeafWatcher::DeafWatcher(v1::JobService::Stub& stub, const v1::WatchJobRequest& request,
                         absl::BlockingCounter& ended)
    : ended_(ended) {
  stub.async()->WatchJob(&context_, &request, this);
  AddHold();
  StartCall();
}

void DeafWatcher::Cancel() {
  context_.TryCancel();
  RemoveHold();
}

void DeafWatcher::OnDone(const grpc::Status&) { ended_.DecrementCount(); }

absl::Duration Percentile(std::vector<absl::Duration> times, double part) {
  const auto place =
      times.begin() + static_cast<int64_t>(part * static_cast<double>(times.size() - 1));
  std::nth_element(times.begin(), place, times.end());
  return *place;
}

}  // namespace acclimate
