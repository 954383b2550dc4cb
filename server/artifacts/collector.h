// Garbage collection: removes the blobs that nothing needs.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_COLLECTOR_H_
#define ACCLIMATE_SERVER_ARTIFACTS_COLLECTOR_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/artifacts/background_thread.h"
#include "server/artifacts/tenant_stores.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::artifacts {

struct Collected {
  int64_t blobs = 0;
  int64_t bytes = 0;
};

// A blob is needed while a job names it, while it is pinned, while an upload of it is open, and
// while somebody holds it. It is removed when it was not needed for the grace time; since the
// collector notes now and then what is needed, that begins at most half a grace time before a blob
// was last needed. Quarantined blobs go by the same rule.
//
// Safe beside everything else: a job that is being created holds the blobs that it names, and finds
// them or gets NOT_FOUND. For one thread at a time.
class Collector {
 public:
  // Whether a job needs the blob. Sees what was durable before the call.
  using NeedQuery =
      std::function<absl::StatusOr<bool>(const std::string& tenant, const std::string& sha256)>;

  // `stores` and `metrics` outlive the collector.
  Collector(TenantStores& stores, metrics::ServerMetrics& metrics, NeedQuery job_needs,
            absl::Duration grace);

  // One pass over all tenants. A tenant whose store fails is logged and left out.
  Collected Run(const Rest& rest);

 private:
  absl::Status CollectOf(const std::string& tenant, const Rest& rest, Collected& collected);
  absl::Status CollectOne(const std::string& tenant, const BlobInfo& blob, Collected& collected);

  TenantStores& stores_;
  metrics::ServerMetrics& metrics_;
  const NeedQuery job_needs_;
  const absl::Duration grace_;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_COLLECTOR_H_
