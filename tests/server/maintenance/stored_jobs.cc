#include "tests/server/maintenance/stored_jobs.h"
#include "tests/server/artifacts/stored_blob.h"

#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "server/artifacts/store_check.h"
#include "server/base/resource_names.h"
#include "server/jobs/job_change.h"

namespace acclimate::maintenance {

StoredJobs::StoredJobs() { Open(); }

void StoredJobs::Open() {
  auto stores = artifacts::TenantStores::Open(path(), &metrics_, {});
  ASSERT_TRUE(stores.ok()) << stores.status();
  stores_ = *std::move(stores);
  auto store = jobs::SqliteJobStore::Open(path() + "/jobs.sqlite", &metrics_);
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
}

void StoredJobs::Close() {
  store_ = nullptr;
  stores_ = nullptr;
}

artifacts::BlobStore& StoredJobs::blobs(const std::string& tenant) {
  return **stores_->BlobsOf(tenant);
}

std::string StoredJobs::AddBlob(const std::string& bytes, const std::string& tenant) {
  const auto blob = artifacts::StoreBlob(blobs(tenant), bytes);
  EXPECT_TRUE(blob.ok()) << blob.status();
  return blob.ok() ? blob->sha256 : "";
}

std::string StoredJobs::AddJob(const std::string& id, const std::string& sha256,
                               const std::string& tenant) {
  v1::JobSpec spec;
  spec.mutable_target()->set_blob(BlobName(tenant, sha256));
  const auto created = store_->Create(jobs::NewJob(JobName(tenant, id), spec, absl::Now()), "", "");
  EXPECT_TRUE(created.ok()) << created.status();
  return JobName(tenant, id);
}

void StoredJobs::DeleteJob(const std::string& name) {
  EXPECT_TRUE(store_->Delete(name, [](jobs::JobChange&) { return absl::OkStatus(); }).ok());
}

std::string StoredJobs::BlobPath(const std::string& sha256, const std::string& tenant) const {
  return artifacts::BlobPath(artifacts::FolderOf(path(), tenant), sha256);
}

void StoredJobs::Flip(const std::string& path, int64_t offset) {
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const int byte = file.get();
  file.seekp(offset);
  file.put(static_cast<char>(byte ^ 1));
}

}  // namespace acclimate::maintenance
