// Blobs whose bytes change on the disk.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/artifacts/collector.h"
#include "server/artifacts/crc32c.h"
#include "server/artifacts/scrubber.h"
#include "server/artifacts/sha256.h"
#include "server/artifacts/tenant_stores.h"
#include "server/base/errors.h"
#include "server/metrics/exposition.h"
#include "tests/server/artifacts/stored_blob.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::artifacts {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

bool NeverStop() { return true; }

class DamageTest : public testing::Test {
 protected:
  DamageTest() { Reopen(); }

  void Reopen() {
    stores_ = nullptr;
    auto stores = TenantStores::Open(folder_.path(), &metrics_, {});
    ASSERT_TRUE(stores.ok()) << stores.status();
    stores_ = *std::move(stores);
    blobs_ = *stores_->BlobsOf("default");
  }
  std::string Import(const std::string& bytes) {
    const auto blob = StoreBlob(*blobs_, bytes);
    EXPECT_TRUE(blob.ok()) << blob.status();
    return blob.ok() ? blob->sha256 : "";
  }
  std::string PathOf(const std::string& sha256) {
    return folder_.File("blobs/" + sha256.substr(0, 2) + "/" + sha256);
  }
  // One bit, and the file is otherwise as it was.
  void Flip(const std::string& sha256) {
    fs::permissions(PathOf(sha256), fs::perms::owner_all);
    std::fstream file(PathOf(sha256), std::ios::in | std::ios::out | std::ios::binary);
    const int first = file.get();
    file.seekp(0);
    file.put(static_cast<char>(first ^ 1));
  }
  // As if it had happened long after the last write.
  void SetTime(const std::string& sha256, absl::Time time) {
    const timespec times[] = {absl::ToTimespec(time), absl::ToTimespec(time)};
    ASSERT_EQ(utimensat(AT_FDCWD, PathOf(sha256).c_str(), times, 0), 0);
  }
  absl::Status Read(const std::string& sha256) { return blobs_->Open(sha256).status(); }
  // One round.
  Scrubbed ScrubAll(int first_slice) {
    Scrubber scrubber(*stores_, metrics_, first_slice);
    Scrubbed all;
    for (int i = 0; i < Scrubber::kSlices; ++i) {
      const Scrubbed slice = scrubber.Run(NeverStop);
      all.blobs += slice.blobs;
      all.damaged += slice.damaged;
    }
    return all;
  }
  std::string Metrics() { return metrics::ServeMetrics(metrics_)({}).body; }

  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<TenantStores> stores_;
  BlobStore* blobs_ = nullptr;
};

TEST_F(DamageTest, AFlippedBitIsNeverRead) {
  const std::string sha256 = Import("content");
  ASSERT_TRUE(Read(sha256).ok());
  Flip(sha256);
  const absl::Status read = Read(sha256);
  EXPECT_TRUE(absl::IsDataLoss(read)) << read;
  EXPECT_EQ(ReasonOf(read), "BLOB_DAMAGED");
  EXPECT_THAT(std::string(read.message()), HasSubstr(sha256));
  EXPECT_EQ(folder_.Read("quarantine/" + sha256), "bontent") << "moved by its name";
  EXPECT_TRUE(absl::IsDataLoss(Read(sha256))) << "and not as if there had never been such a blob";
  EXPECT_TRUE(absl::IsDataLoss(blobs_->Get(sha256).status()));
  EXPECT_TRUE(absl::IsDataLoss(blobs_->Hold(sha256).status()));
  EXPECT_THAT(Metrics(), HasSubstr("acclimate_blob_corruptions_total 1\n"));
  Reopen();
  EXPECT_TRUE(absl::IsDataLoss(Read(sha256)));
}

TEST_F(DamageTest, ATornBlobIsNeverRead) {
  const std::string sha256 = Import("content");
  fs::permissions(PathOf(sha256), fs::perms::owner_all);
  fs::resize_file(PathOf(sha256), 3);
  EXPECT_TRUE(absl::IsDataLoss(Read(sha256)));
  const std::string empty = Import("something");
  fs::permissions(PathOf(empty), fs::perms::owner_all);
  fs::resize_file(PathOf(empty), 0);
  EXPECT_TRUE(absl::IsDataLoss(Read(empty)));
}

TEST_F(DamageTest, WhatHappensWhileTheServerIsDownIsSeen) {
  const std::string sha256 = Import("content");
  const absl::Time written = absl::Now() - absl::Hours(1);
  SetTime(sha256, written);
  stores_ = nullptr;
  Flip(sha256);
  SetTime(sha256, written);  // a disk changes no times
  Reopen();
  EXPECT_TRUE(absl::IsDataLoss(Read(sha256)));
}

TEST_F(DamageTest, TheRightBytesHeal) {
  const std::string sha256 = Import("content");
  Flip(sha256);
  ASSERT_TRUE(absl::IsDataLoss(Read(sha256)));
  EXPECT_EQ(Import("content"), sha256);
  EXPECT_TRUE(Read(sha256).ok());
  EXPECT_TRUE(fs::is_empty(folder_.File("quarantine")));
}

TEST_F(DamageTest, TheRightBytesHealWhatNobodyHasRead) {
  const std::string sha256 = Import("content");
  Flip(sha256);
  EXPECT_EQ(Import("content"), sha256);
  EXPECT_TRUE(Read(sha256).ok());
}

TEST_F(DamageTest, AnUploadHeals) {
  const std::string sha256 = Import("content");
  Flip(sha256);
  UploadStore& uploads = **stores_->UploadsOf("default");
  const auto upload = uploads.Create("default", sha256, 7);
  ASSERT_TRUE(upload.ok()) << upload.status();
  EXPECT_FALSE(upload->complete) << "a damaged blob spares no upload";
  {
    auto writer = *uploads.Write("default", upload->id);
    ASSERT_TRUE(writer->Append(0, "content", Crc32c("content")).ok());
    ASSERT_TRUE(writer->Finish()->complete);
  }
  EXPECT_TRUE(Read(sha256).ok());
}

TEST_F(DamageTest, TheScrubberFindsWhatNobodyReads) {
  const std::string sha256 = Import("content"), other = Import("other");
  const absl::Time written = absl::Now() - absl::Hours(1);
  SetTime(sha256, written);
  ASSERT_TRUE(Read(sha256).ok());
  Flip(sha256);
  SetTime(sha256, written);
  EXPECT_TRUE(Read(sha256).ok()) << "it was hashed, and its file looks unchanged";
  const Scrubbed scrubbed = ScrubAll(0);
  EXPECT_EQ(scrubbed.blobs, 2);
  EXPECT_EQ(scrubbed.damaged, 1);
  EXPECT_TRUE(absl::IsDataLoss(Read(sha256)));
  EXPECT_TRUE(Read(other).ok());
  EXPECT_THAT(Metrics(), HasSubstr("acclimate_scrubbed_bytes_total 12\n"));
}

TEST_F(DamageTest, TheScrubberReachesEveryBlobWhereverItBegins) {
  for (int i = 0; i < 301; ++i) Import(std::to_string(i));
  ASSERT_TRUE(stores_->BlobsOf("other").ok());
  for (const int first : {0, 7, 15, 1000}) EXPECT_EQ(ScrubAll(first).blobs, 301) << first;
}

TEST_F(DamageTest, TheScrubberStopsWhenItIsTold) {
  const int slice = std::stoi(Import("content").substr(0, 1), nullptr, 16);
  Scrubber scrubber(*stores_, metrics_, slice);
  int rests = 0;
  const auto stop = [&rests] { return ++rests > 1; };
  EXPECT_EQ(scrubber.Run(stop).blobs, 0);
  EXPECT_EQ(rests, 1);
  EXPECT_EQ(scrubber.Run(stop).blobs, 1) << "it goes on where it was told to stop";
}

TEST_F(DamageTest, ADamagedBlobThatNothingNeedsIsCollected) {
  const std::string sha256 = Import("content");
  Flip(sha256);
  ASSERT_TRUE(absl::IsDataLoss(Read(sha256)));
  bool needed = true;
  Collector collector(
      *stores_, metrics_,
      [&](const std::string&, const std::string&) -> absl::StatusOr<bool> { return needed; },
      -absl::Hours(1));
  collector.Run(NeverStop);
  EXPECT_FALSE(fs::is_empty(folder_.File("quarantine")));
  needed = false;
  collector.Run(NeverStop);
  EXPECT_TRUE(fs::is_empty(folder_.File("quarantine")));
  EXPECT_TRUE(absl::IsNotFound(Read(sha256)));
}

TEST_F(DamageTest, WhatIsQuarantinedIsNotStored) {
  const std::string sha256 = Import("content");
  EXPECT_EQ(*blobs_->StoredBytes(), 7);
  Flip(sha256);
  EXPECT_TRUE(absl::IsDataLoss(blobs_->Verify(sha256, NeverStop)));
  EXPECT_EQ(*blobs_->StoredBytes(), 0);
  Import("content");
  EXPECT_EQ(*blobs_->StoredBytes(), 7);
}

}  // namespace
}  // namespace acclimate::artifacts
