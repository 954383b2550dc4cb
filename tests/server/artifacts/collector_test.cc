#include "server/artifacts/collector.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "server/artifacts/crc32c.h"
#include "server/artifacts/sha256.h"
#include "tests/server/artifacts/stored_blob.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::artifacts {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kGrace = absl::Hours(6);

bool NoRest() { return true; }

class CollectorTest : public testing::Test {
 protected:
  CollectorTest() {
    auto stores = TenantStores::Open(folder_.path(), &metrics_, {});
    EXPECT_TRUE(stores.ok()) << stores.status();
    stores_ = *std::move(stores);
  }

  // A blob that was last needed so long ago.
  std::string Blob(const std::string& bytes, absl::Duration age,
                   const std::string& tenant = "default") {
    BlobStore& blobs = **stores_->BlobsOf(tenant);
    const auto blob = StoreBlob(blobs, bytes);
    EXPECT_TRUE(blob.ok()) << blob.status();
    Age(blob->sha256, age, tenant);
    return blob->sha256;
  }
  void Age(const std::string& sha256, absl::Duration age, const std::string& tenant = "default") {
    const timespec then = absl::ToTimespec(absl::Now() - age);
    const timespec times[] = {then, then};
    ASSERT_EQ(utimensat(AT_FDCWD, PathOf(sha256, tenant).c_str(), times, 0), 0);
  }
  std::string PathOf(const std::string& sha256, const std::string& tenant) {
    return folder_.File((tenant == "default" ? "" : "tenants/" + tenant + "/") + "blobs/" +
                        sha256.substr(0, 2) + "/" + sha256);
  }
  bool Has(const std::string& sha256, const std::string& tenant = "default") {
    return (*stores_->BlobsOf(tenant))->Get(sha256).ok();
  }
  Collected Run(absl::Duration grace = kGrace) {
    Collector collector(
        *stores_, metrics_,
        [this](const std::string& tenant, const std::string& sha256) -> absl::StatusOr<bool> {
          return needed_.count(tenant + "/" + sha256) > 0;
        },
        grace);
    return collector.Run(NoRest);
  }

  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<TenantStores> stores_;
  std::set<std::string> needed_;  // "default/<sha256>", by jobs
};

TEST_F(CollectorTest, WhatNothingNeedsGoesAfterTheGraceTime) {
  const std::string old = Blob("old", kGrace + absl::Minutes(1));
  const std::string young = Blob("young", kGrace - absl::Minutes(1));
  const Collected collected = Run();
  EXPECT_FALSE(Has(old));
  EXPECT_TRUE(Has(young));
  EXPECT_EQ(collected.blobs, 1);
  EXPECT_EQ(collected.bytes, 3);
  EXPECT_TRUE(fs::is_empty(folder_.File("staging"))) << "its bytes are free";
}

TEST_F(CollectorTest, WhatAJobNeedsStaysAndIsYoungAfterIt) {
  const std::string sha256 = Blob("input", 10 * kGrace);
  needed_.insert("default/" + sha256);
  Run();
  ASSERT_TRUE(Has(sha256));
  needed_.clear();
  Run();
  EXPECT_TRUE(Has(sha256)) << "the grace time begins when it was last seen to be needed";
  Age(sha256, kGrace + absl::Minutes(1));
  Run();
  EXPECT_FALSE(Has(sha256));
}

TEST_F(CollectorTest, APinnedBlobStays) {
  const std::string sha256 = Blob("pinned", 10 * kGrace);
  BlobStore& blobs = **stores_->BlobsOf("default");
  ASSERT_TRUE(blobs.SetPinned(sha256, true).ok());
  Age(sha256, 10 * kGrace);
  Run();
  EXPECT_TRUE(Has(sha256));
  ASSERT_TRUE(blobs.SetPinned(sha256, false).ok());
  Run();
  EXPECT_TRUE(Has(sha256)) << "unpinned just now";
  Age(sha256, 10 * kGrace);
  Run();
  EXPECT_FALSE(Has(sha256));
}

TEST_F(CollectorTest, ABlobThatAnUploadIsToBecomeStays) {
  UploadStore& uploads = **stores_->UploadsOf("default");
  const auto upload = uploads.Create("default", Sha256Of("content"), 7);
  ASSERT_TRUE(upload.ok());
  const std::string sha256 = Blob("content", 10 * kGrace);
  Run();
  EXPECT_TRUE(Has(sha256));
  ASSERT_TRUE(uploads.Abort("default", upload->id).ok());
  Age(sha256, 10 * kGrace);
  Run();
  EXPECT_FALSE(Has(sha256));
}

TEST_F(CollectorTest, ACompleteUploadIsForgottenWithItsBlob) {
  UploadStore& uploads = **stores_->UploadsOf("default");
  const auto upload = uploads.Create("default", Sha256Of("content"), 7);
  {
    auto writer = *uploads.Write("default", upload->id);
    ASSERT_TRUE(writer->Append(0, "content", Crc32c("content")).ok());
    ASSERT_TRUE(writer->Finish()->complete);
  }
  Run();
  EXPECT_TRUE(uploads.Get("default", upload->id).ok());
  Age(upload->sha256, 10 * kGrace);
  Run();
  EXPECT_FALSE(Has(upload->sha256));
  EXPECT_TRUE(fs::is_empty(folder_.File("uploads")));
}

TEST_F(CollectorTest, EachTenantHasItsOwn) {
  const std::string sha256 = Blob("content", 10 * kGrace);
  ASSERT_EQ(Blob("content", 10 * kGrace, "other"), sha256);
  needed_.insert("other/" + sha256);
  Run();
  EXPECT_FALSE(Has(sha256));
  EXPECT_TRUE(Has(sha256, "other"));
}

TEST_F(CollectorTest, AHeldBlobStaysUntilItIsLetGo) {
  const std::string sha256 = Blob("held", 10 * kGrace);
  auto hold = (*stores_->BlobsOf("default"))->Hold(sha256);
  ASSERT_TRUE(hold.ok());
  Age(sha256, 10 * kGrace);
  Run();
  EXPECT_TRUE(Has(sha256));
  *hold = nullptr;
  Run();
  EXPECT_FALSE(Has(sha256));
}

// A job that is created while the collector looks whether a job needs the blob: after the store was
// asked, before the file is gone.
TEST_F(CollectorTest, WhoeverHoldsABlobInTheLastMomentKeepsIt) {
  const std::string sha256 = Blob("content", 10 * kGrace);
  BlobStore& blobs = **stores_->BlobsOf("default");
  const auto removed = blobs.Remove(sha256, [&]() -> absl::StatusOr<bool> {
    EXPECT_TRUE(blobs.Hold(sha256).ok());  // and lets it go at once: the job is durable
    return false;
  });
  ASSERT_TRUE(removed.ok());
  EXPECT_FALSE(*removed);
  EXPECT_TRUE(Has(sha256));
}

TEST_F(CollectorTest, ABlobWhoseNeedIsUnknownStays) {
  const std::string sha256 = Blob("content", 10 * kGrace);
  Collector collector(
      *stores_, metrics_,
      [](const std::string&, const std::string&) -> absl::StatusOr<bool> {
        return absl::UnavailableError("the store does not answer");
      },
      kGrace);
  EXPECT_EQ(collector.Run(NoRest).blobs, 0);
  EXPECT_TRUE(Has(sha256));
}

// Many jobs come and go while a collector that knows no grace runs: whoever gets a hold has the
// blob.
TEST_F(CollectorTest, AJobNeverNamesABlobThatVanishes) {
  absl::Mutex mutex;
  std::set<std::string> durable;
  Collector collector(
      *stores_, metrics_,
      [&](const std::string&, const std::string& sha256) -> absl::StatusOr<bool> {
        absl::MutexLock lock(&mutex);
        return durable.count(sha256) > 0;
      },
      -absl::Hours(1));
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    while (!stop) collector.Run(NoRest);
  });
  BlobStore& blobs = **stores_->BlobsOf("default");
  int created = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string sha256 = Sha256Of(std::to_string(i % 5));
    ASSERT_TRUE(StoreBlob(blobs, std::to_string(i % 5)).ok());
    const auto hold = blobs.Hold(sha256);
    if (!hold.ok()) {
      EXPECT_TRUE(absl::IsNotFound(hold.status())) << hold.status();
      continue;
    }
    {
      absl::MutexLock lock(&mutex);
      durable.insert(sha256);
    }
    ++created;
    EXPECT_TRUE(Has(sha256));
    std::this_thread::yield();
    EXPECT_TRUE(Has(sha256));
    absl::MutexLock lock(&mutex);
    durable.erase(sha256);
  }
  stop = true;
  thread.join();
  EXPECT_GT(created, 0);
}

}  // namespace
}  // namespace acclimate::artifacts
