// Hashes the stored blobs again, so that a damaged one is found before somebody needs it.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_SCRUBBER_H_
#define ACCLIMATE_SERVER_ARTIFACTS_SCRUBBER_H_

#include <cstdint>
#include <string>

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
  // The blobs are taken in slices, by the first digit of their digests, one after the other
  // and round. Servers that restart often reach all of them if each begins with another slice.
  static constexpr int kSlices = 16;

  Scrubber(TenantStores& stores, metrics::ServerMetrics& metrics, int first_slice = 0)
      : stores_(stores), metrics_(metrics), slice_(first_slice % kSlices) {}

  // The next slice of all tenants, from the disk and not from memory where the kernel lets it. A
  // blob that cannot be read is logged and left out.
  Scrubbed Run(const Rest& rest);

 private:
  absl::Status ScrubOf(BlobStore& blobs, const Rest& rest, Scrubbed& scrubbed);

  TenantStores& stores_;
  metrics::ServerMetrics& metrics_;
  int slice_;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_SCRUBBER_H_
