// A blob store and an upload store for every tenant, apart from each other: what one tenant has
// uploaded is not there for another, whoever knows its digest.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_TENANT_STORES_H_
#define ACCLIMATE_SERVER_ARTIFACTS_TENANT_STORES_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/artifacts/blob_store.h"
#include "server/artifacts/local_blob_store.h"
#include "server/artifacts/upload_store.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::artifacts {

// Those of the tenant "default" lie in the directory itself, those of another in
// tenants/<tenant>/ below it. Thread-safe.
class TenantStores : public BlobStores {
 public:
  // Opens the default tenant's; those of others when they are first asked for. `metrics` outlives
  // the stores.
  static absl::StatusOr<std::unique_ptr<TenantStores>> Open(const std::string& directory,
                                                            metrics::ServerMetrics* metrics,
                                                            const UploadOptions& options);

  // What they return lives as long as this.
  absl::StatusOr<BlobStore*> BlobsOf(const std::string& tenant) override;
  absl::StatusOr<LocalBlobFiles*> FilesOf(const std::string& tenant) override;
  absl::StatusOr<UploadStore*> UploadsOf(const std::string& tenant);
  // Of those that have ever stored something, also in an earlier process.
  std::vector<std::string> Tenants() const;

 private:
  struct Stores {
    std::unique_ptr<LocalBlobStore> blobs;
    std::unique_ptr<UploadStore> uploads;
  };

  TenantStores(std::string directory, metrics::ServerMetrics* metrics, UploadOptions options);
  absl::StatusOr<const Stores*> StoresOf(const std::string& tenant);
  absl::StatusOr<Stores> OpenIn(const std::string& directory) const;

  const std::string directory_;
  metrics::ServerMetrics* const metrics_;
  const UploadOptions options_;
  absl::Mutex mutex_;
  std::map<std::string, Stores> stores_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_TENANT_STORES_H_
