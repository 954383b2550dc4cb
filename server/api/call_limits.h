// How much one tenant and one client may ask of the server, so that there is something left for the
// others.
#ifndef ACCLIMATE_SERVER_API_CALL_LIMITS_H_
#define ACCLIMATE_SERVER_API_CALL_LIMITS_H_

#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/base/instant.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::api {

struct CallLimitOptions {
  double calls_per_second = 0;  // of a tenant, on average; 0: no limit
  int streams_per_client = 0;   // at a time; 0: no limit
};

// Thread-safe. `metrics` outlives it.
class CallLimits {
 public:
  // A call that changes something costs as much as so many that read.
  static constexpr double kCostOfChange = 5;
  // What a tenant that was silent may ask at once.
  static constexpr absl::Duration kBurst = absl::Seconds(2);

  CallLimits(const CallLimitOptions& options, metrics::ServerMetrics& metrics)
      : options_(options), metrics_(metrics) {}

  // Takes `cost` from the bucket of `whose`, "tenants/default", which fills by calls_per_second.
  // RESOURCE_EXHAUSTED with CALL_RATE_EXCEEDED, QuotaFailure, and a RetryInfo that says when there
  // is enough again.
  absl::Status TakeCall(const std::string& whose, double cost, Instant now);

  // Ends with the object.
  class Stream {
   public:
    Stream(Stream&& other) noexcept
        : limits_(std::exchange(other.limits_, nullptr)), client_(std::move(other.client_)) {}
    Stream& operator=(Stream&&) = delete;
    ~Stream();

   private:
    friend class CallLimits;
    Stream(CallLimits* limits, std::string client) : limits_(limits), client_(std::move(client)) {}

    CallLimits* limits_;
    std::string client_;
  };
  // RESOURCE_EXHAUSTED with TOO_MANY_STREAMS, QuotaFailure and RetryInfo: `client` has as many as
  // it may.
  absl::StatusOr<Stream> OpenStream(const std::string& client);

 private:
  struct Bucket {
    double calls = 0;  // at `filled`
    Instant filled = Instant::Always();
  };

  double Capacity() const { return options_.calls_per_second * absl::ToDoubleSeconds(kBurst); }
  double CallsAt(const Bucket& bucket, Instant now) const;
  void ForgetFullBuckets(Instant now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const CallLimitOptions options_;
  metrics::ServerMetrics& metrics_;
  absl::Mutex mutex_;
  std::map<std::string, Bucket> buckets_ ABSL_GUARDED_BY(mutex_);
  size_t forget_at_ ABSL_GUARDED_BY(mutex_) = 1024;
  std::map<std::string, int> streams_ ABSL_GUARDED_BY(mutex_);  // by client
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_CALL_LIMITS_H_
