#include "server/artifacts/tenant_stores.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "server/artifacts/file_system.h"
#include "server/artifacts/store_check.h"
#include "server/base/resource_names.h"

namespace acclimate::artifacts {

TenantStores::TenantStores(std::string directory, metrics::ServerMetrics* metrics,
                           UploadOptions options)
    : directory_(std::move(directory)), metrics_(metrics), options_(options) {}

absl::StatusOr<std::unique_ptr<TenantStores>> TenantStores::Open(const std::string& directory,
                                                                 metrics::ServerMetrics* metrics,
                                                                 const UploadOptions& options) {
  auto stores = absl::WrapUnique(new TenantStores(directory, metrics, options));
  const auto opened = stores->StoresOf(std::string(kDefaultTenant));
  if (!opened.ok()) return opened.status();
  return stores;
}

absl::StatusOr<TenantStores::Stores> TenantStores::OpenIn(const std::string& directory) const {
  if (absl::Status status = MakeDirectories(directory); !status.ok()) return status;
  auto blobs = LocalBlobStore::Open(directory, metrics_);
  if (!blobs.ok()) return blobs.status();
  auto uploads = UploadStore::Open(absl::StrCat(directory, "/uploads"), blobs->get(), blobs->get(),
                                   metrics_, options_);
  if (!uploads.ok()) return uploads.status();
  return Stores{*std::move(blobs), *std::move(uploads)};
}

absl::StatusOr<const TenantStores::Stores*> TenantStores::StoresOf(const std::string& tenant) {
  const absl::MutexLock lock(&mutex_);
  if (const auto found = stores_.find(tenant); found != stores_.end()) return &found->second;
  absl::StatusOr<Stores> opened = OpenIn(FolderOf(directory_, tenant));
  if (!opened.ok()) return opened.status();
  return &stores_.emplace(tenant, *std::move(opened)).first->second;
}

std::vector<std::string> TenantStores::Tenants() const { return TenantsIn(directory_); }

absl::StatusOr<BlobStore*> TenantStores::BlobsOf(const std::string& tenant) {
  const absl::StatusOr<const Stores*> stores = StoresOf(tenant);
  if (!stores.ok()) return stores.status();
  return (*stores)->blobs.get();
}

absl::StatusOr<LocalBlobFiles*> TenantStores::FilesOf(const std::string& tenant) {
  const absl::StatusOr<const Stores*> stores = StoresOf(tenant);
  if (!stores.ok()) return stores.status();
  return (*stores)->blobs.get();
}

absl::StatusOr<UploadStore*> TenantStores::UploadsOf(const std::string& tenant) {
  const absl::StatusOr<const Stores*> stores = StoresOf(tenant);
  if (!stores.ok()) return stores.status();
  return (*stores)->uploads.get();
}

}  // namespace acclimate::artifacts
