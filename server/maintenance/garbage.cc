#include "server/maintenance/garbage.h"

#include <memory>

#include "server/artifacts/tenant_stores.h"
#include "server/jobs/job_store_check.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::maintenance {

absl::StatusOr<artifacts::Collected> CollectGarbage(const std::string& data_directory,
                                                    absl::Duration grace) {
  const std::string path = data_directory + "/jobs.sqlite";
  metrics::ServerMetrics metrics;
  artifacts::Collected collected;
  {
    auto stores = artifacts::TenantStores::Open(data_directory, &metrics, {});
    if (!stores.ok()) return stores.status();
    absl::StatusOr<std::unique_ptr<jobs::SqliteJobStore>> store =
        jobs::SqliteJobStore::Open(path, &metrics);
    if (!store.ok()) return store.status();
    artifacts::Collector collector(
        **stores, metrics,
        [&](const std::string& tenant, const std::string& sha256) {
          return (*store)->NeedsBlob(tenant, sha256);
        },
        grace);
    collected = collector.Run([] { return true; });
  }
  if (absl::Status status = jobs::CompactJobStore(path); !status.ok()) return status;
  return collected;
}

}  // namespace acclimate::maintenance
