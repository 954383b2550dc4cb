// Hashes the stored blobs again, so that a damaged one is found before somebody needs it.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_SCRUBBER_H_
#define ACCLIMATE_SERVER_ARTIFACTS_SCRUBBER_H_

#include <cstdint>
#include <string>
#include <utility>

#include "server/artifacts/background_thread.h"
#include "server/artifacts/tenant_stores.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::artifacts {

struct Scrubbed {
  int64_t blobs = 0;
  int64_t damaged = 0;  // these are now quarantined
};

// `stores` and `metrics` outlive it. For one thread at a time.
class Scrubber {
 public:
  // Each tenant's blobs are taken in the order of their digests, beginning after `start` and going
  // round: servers that restart often reach all of them if each begins elsewhere.
  Scrubber(TenantStores& stores, metrics::ServerMetrics& metrics, std::string start = "")
      : stores_(stores), metrics_(metrics), start_(std::move(start)) {}

  // One pass over all tenants, from the disk and not from memory where the kernel lets it. A blob
  // that cannot be read is logged and left out.
  Scrubbed Run(const Rest& rest);

 private:
  // Those with a digest after `after`, up to `last`.
  absl::Status ScrubOf(BlobStore& blobs, std::string after, const std::string& last,
                       const Rest& rest, Scrubbed& scrubbed);

  TenantStores& stores_;
  metrics::ServerMetrics& metrics_;
  const std::string start_;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_SCRUBBER_H_
