// A data directory with jobs and blobs, as a server leaves it.
#ifndef ACCLIMATE_TESTS_SERVER_MAINTENANCE_STORED_JOBS_H_
#define ACCLIMATE_TESTS_SERVER_MAINTENANCE_STORED_JOBS_H_

#include <memory>
#include <string>

#include "server/artifacts/tenant_stores.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/metrics/server_metrics.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::maintenance {

class StoredJobs {
 public:
  StoredJobs();

  // What a server does that starts, and that ends.
  void Open();
  void Close();

  const std::string& path() const { return folder_.path(); }
  jobs::SqliteJobStore& store() { return *store_; }
  artifacts::BlobStore& blobs(const std::string& tenant = "default");
  artifacts::UploadStore& uploads() { return **stores_->UploadsOf("default"); }

  // The digest.
  std::string AddBlob(const std::string& bytes, const std::string& tenant = "default");
  // A job whose target is the blob; its name.
  std::string AddJob(const std::string& id, const std::string& sha256,
                     const std::string& tenant = "default");
  void DeleteJob(const std::string& name);

  std::string BlobPath(const std::string& sha256, const std::string& tenant = "default") const;
  // One bit of a file.
  static void Flip(const std::string& path, int64_t offset = 0);

 private:
  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<artifacts::TenantStores> stores_;
  std::unique_ptr<jobs::SqliteJobStore> store_;
};

}  // namespace acclimate::maintenance

#endif  // ACCLIMATE_TESTS_SERVER_MAINTENANCE_STORED_JOBS_H_
