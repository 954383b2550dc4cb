// Blobs as files of a local directory: blobs/<first two digits>/<sha256>, staging/.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_LOCAL_BLOB_STORE_H_
#define ACCLIMATE_SERVER_ARTIFACTS_LOCAL_BLOB_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/artifacts/blob_store.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::artifacts {

class LocalBlobStore : public BlobStore {
 public:
  // Makes the directories, and empties what an earlier process left in staging. `metrics` outlives
  // the store.
  static absl::StatusOr<std::unique_ptr<LocalBlobStore>> Open(const std::string& directory,
                                                              metrics::ServerMetrics* metrics);

  absl::StatusOr<BlobInfo> Get(const std::string& sha256) override;
  absl::StatusOr<FileDescriptor> OpenForReading(const std::string& sha256) override;
  absl::StatusOr<BlobInfo> Adopt(const std::string& path, const std::string& sha256) override;
  absl::StatusOr<BlobInfo> Import(const std::string& path) override;
  std::string StagingDirectory() const override;

 private:
  LocalBlobStore(std::string directory, metrics::ServerMetrics* metrics);
  absl::Status Prepare();
  std::string ShardOf(const std::string& sha256) const;
  std::string PathOf(const std::string& sha256) const;
  absl::Status Sync(const std::string& path);

  const std::string directory_;
  metrics::ServerMetrics* const metrics_;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_LOCAL_BLOB_STORE_H_
