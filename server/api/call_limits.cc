#include "server/api/call_limits.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace acclimate::api {
namespace {

// A stream may end at any time.
constexpr absl::Duration kRetryStream = absl::Seconds(5);

}  // namespace

double CallLimits::CallsAt(const Bucket& bucket, Instant now) const {
  // Of two calls at once the later may come first.
  const double passed = std::max(0.0, absl::ToDoubleSeconds(now - bucket.filled));
  return std::min(Capacity(), bucket.calls + passed * options_.calls_per_second);
}

// A full bucket is as good as none.
void CallLimits::ForgetFullBuckets(Instant now) {
  for (auto it = buckets_.begin(); it != buckets_.end();) {
    it = CallsAt(it->second, now) >= Capacity() ? buckets_.erase(it) : std::next(it);
  }
  forget_at_ = std::max<size_t>(1024, 2 * buckets_.size());
}

absl::Status CallLimits::TakeCall(const std::string& whose, double cost, Instant now) {
  if (options_.calls_per_second <= 0) return absl::OkStatus();
  double missing = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (buckets_.size() >= forget_at_) ForgetFullBuckets(now);
    Bucket& bucket = buckets_.try_emplace(whose, Bucket{Capacity(), now}).first->second;
    bucket.calls = CallsAt(bucket, now);
    bucket.filled = std::max(bucket.filled, now);
    // What a small limit could never hold in full is let through from a full bucket.
    const double needed = std::min(cost, Capacity());
    if (bucket.calls >= needed) {
      bucket.calls -= needed;
      return absl::OkStatus();
    }
    missing = needed - bucket.calls;
  }
  metrics_.CountLimitedCall("rate");
  return WithRetryAfter(
      QuotaExceeded(v1::CALL_RATE_EXCEEDED, whose,
                    absl::StrCat(whose, " makes more than ", options_.calls_per_second,
                                 " calls a second, of which one that changes something counts ",
                                 kCostOfChange)),
      absl::Seconds(missing / options_.calls_per_second));
}

absl::StatusOr<CallLimits::Stream> CallLimits::OpenStream(const std::string& client) {
  {
    absl::MutexLock lock(&mutex_);
    int& open = streams_[client];
    if (options_.streams_per_client <= 0 || open < options_.streams_per_client) {
      ++open;
      return Stream(this, client);
    }
  }
  metrics_.CountLimitedCall("streams");
  return WithRetryAfter(
      QuotaExceeded(v1::TOO_MANY_STREAMS, client,
                    absl::StrCat(client, " has ", options_.streams_per_client,
                                 " streams (watches, uploads, downloads), which is the most")),
      kRetryStream);
}

CallLimits::Stream::~Stream() {
  if (limits_ == nullptr) return;
  absl::MutexLock lock(&limits_->mutex_);
  const auto found = limits_->streams_.find(client_);
  if (--found->second == 0) limits_->streams_.erase(found);
}

}  // namespace acclimate::api
