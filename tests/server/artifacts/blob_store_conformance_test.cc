#include "tests/server/artifacts/blob_store_conformance.h"

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "server/artifacts/local_blob_store.h"
#include "server/artifacts/sha256.h"
#include "server/base/errors.h"
#include "server/metrics/server_metrics.h"
#include "tests/server/artifacts/memory_blob_store.h"
#include "tests/server/artifacts/stored_blob.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::artifacts {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LocalStore : public BlobStoreUnderTest {
 public:
  LocalStore() { Reopen(); }
  BlobStore& store() override { return *store_; }
  void Reopen() override {
    store_ = nullptr;
    store_ = *LocalBlobStore::Open(folder_.path(), &metrics_);
  }
  void Damage(const std::string& sha256) override {
    const std::string path = folder_.File("blobs/" + sha256.substr(0, 2) + "/" + sha256);
    fs::permissions(path, fs::perms::owner_all);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const int first = file.get();
    file.seekp(0);
    file.put(static_cast<char>(first ^ 1));
  }

 private:
  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<LocalBlobStore> store_;
};

class InMemory : public BlobStoreUnderTest {
 public:
  BlobStore& store() override { return store_; }
  void Reopen() override {}
  void Damage(const std::string& sha256) override { store_.Damage(sha256); }

 private:
  MemoryBlobStore store_;
};

template <typename Store>
std::unique_ptr<BlobStoreUnderTest> Make() {
  return std::make_unique<Store>();
}

absl::StatusOr<bool> NotNeeded() { return false; }

std::string Content(BlobStore& store, const std::string& sha256) {
  const auto reader = store.Open(sha256);
  const auto info = store.Get(sha256);
  if (!reader.ok() || !info.ok()) return absl::StrCat("no blob: ", reader.status().message());
  std::string bytes;
  const absl::Status status = (*reader)->ReadAt(0, static_cast<size_t>(info->size_bytes), bytes);
  return status.ok() ? bytes : status.ToString();
}

TEST_P(BlobStoreConformance, ABlobIsThereOnceItIsCommitted) {
  const std::string sha256 = Sha256Of("content");
  {
    const auto blob = store().Create();
    ASSERT_TRUE(blob.ok()) << blob.status();
    ASSERT_TRUE((*blob)->Append("con").ok());
    ASSERT_TRUE((*blob)->Append("tent").ok());
    EXPECT_TRUE(absl::IsNotFound(store().Get(sha256).status()));
    const auto held = (*blob)->Commit();
    ASSERT_TRUE(held.ok()) << held.status();
    EXPECT_EQ(held->sha256, sha256);
    EXPECT_EQ(held->size_bytes, 7);
  }
  Reopen();
  EXPECT_EQ(Content(store(), sha256), "content");
  EXPECT_EQ(store().Get(sha256)->size_bytes, 7);
}

TEST_P(BlobStoreConformance, NothingIsLeftOfOneThatIsNot) {
  {
    const auto blob = store().Create();
    ASSERT_TRUE(blob.ok()) << blob.status();
    ASSERT_TRUE((*blob)->Append("content").ok());
  }
  EXPECT_TRUE(absl::IsNotFound(store().Get(Sha256Of("content")).status()));
  EXPECT_THAT(*store().List("", 10), IsEmpty());
}

TEST_P(BlobStoreConformance, AnEmptyBlobIsOne) {
  const auto held = StoreBlob(store(), "");
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(held->size_bytes, 0);
  EXPECT_EQ(Content(store(), held->sha256), "");
}

TEST_P(BlobStoreConformance, PartsAreRead) {
  const auto held = StoreBlob(store(), "0123456789");
  ASSERT_TRUE(held.ok()) << held.status();
  const auto reader = store().Open(held->sha256);
  ASSERT_TRUE(reader.ok()) << reader.status();
  std::string bytes;
  ASSERT_TRUE((*reader)->ReadAt(3, 4, bytes).ok());
  EXPECT_EQ(bytes, "3456");
  ASSERT_TRUE((*reader)->ReadAt(10, 0, bytes).ok());
  EXPECT_EQ(bytes, "");
  EXPECT_TRUE(absl::IsDataLoss((*reader)->ReadAt(8, 3, bytes)));
}

TEST_P(BlobStoreConformance, WhatIsNotThereIsNamed) {
  const std::string sha256 = Sha256Of("nobody has this");
  for (const absl::Status& status :
       {store().Get(sha256).status(), store().Hold(sha256).status(), store().Open(sha256).status(),
        store().SetPinned(sha256, true), store().Verify(sha256, nullptr)}) {
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(sha256));
  }
}

TEST_P(BlobStoreConformance, AHeldBlobStays) {
  const std::string sha256 = Sha256Of("content");
  {
    const auto held = StoreBlob(store(), "content");
    ASSERT_TRUE(held.ok()) << held.status();
    EXPECT_FALSE(*store().Remove(sha256, &NotNeeded));
    const auto again = store().Hold(sha256);
    EXPECT_TRUE(again.ok()) << again.status();
  }
  EXPECT_TRUE(*store().Remove(sha256, &NotNeeded));
  EXPECT_TRUE(absl::IsNotFound(store().Get(sha256).status()));
}

TEST_P(BlobStoreConformance, ANeededBlobStays) {
  const std::string sha256 = StoreBlob(store(), "content")->sha256;
  EXPECT_FALSE(*store().Remove(sha256, [] { return true; }));
  EXPECT_TRUE(absl::IsUnavailable(
      store().Remove(sha256, [] { return absl::UnavailableError("who knows"); }).status()));
  EXPECT_EQ(Content(store(), sha256), "content");
}

TEST_P(BlobStoreConformance, APinnedBlobStays) {
  const std::string sha256 = StoreBlob(store(), "content")->sha256;
  ASSERT_TRUE(store().SetPinned(sha256, true).ok());
  Reopen();
  EXPECT_TRUE(store().Get(sha256)->pinned);
  EXPECT_FALSE(*store().Remove(sha256, &NotNeeded));
  ASSERT_TRUE(store().SetPinned(sha256, false).ok());
  Reopen();
  EXPECT_FALSE(store().Get(sha256)->pinned);
  EXPECT_TRUE(*store().Remove(sha256, &NotNeeded));
}

TEST_P(BlobStoreConformance, AHoldSaysThatTheBlobIsNeededNow) {
  const std::string sha256 = StoreBlob(store(), "content")->sha256;
  const absl::Time before = absl::Now() - absl::Seconds(1);  // of the clock that files have
  ASSERT_TRUE(store().Hold(sha256).ok());
  EXPECT_GE(store().Get(sha256)->last_needed, before);
}

TEST_P(BlobStoreConformance, AReaderOutlivesTheBlob) {
  const std::string sha256 = StoreBlob(store(), "content")->sha256;
  const auto reader = store().Open(sha256);
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_TRUE(*store().Remove(sha256, &NotNeeded));
  std::string bytes;
  ASSERT_TRUE((*reader)->ReadAt(0, 7, bytes).ok());
  EXPECT_EQ(bytes, "content");
}

TEST_P(BlobStoreConformance, ListsInTheOrderOfDigests) {
  std::vector<std::string> all;
  for (int i = 0; i < 20; ++i) all.push_back(StoreBlob(store(), std::to_string(i))->sha256);
  std::sort(all.begin(), all.end());
  std::vector<std::string> listed;
  while (true) {
    const auto page = store().List(listed.empty() ? "" : listed.back(), 7);
    ASSERT_TRUE(page.ok()) << page.status();
    if (page->empty()) break;
    EXPECT_LE(page->size(), 7u);
    for (const BlobInfo& info : *page) listed.push_back(info.sha256);
  }
  EXPECT_EQ(listed, all);
}

TEST_P(BlobStoreConformance, CountsWhatItStores) {
  const std::string sha256 = StoreBlob(store(), "content")->sha256;
  ASSERT_TRUE(StoreBlob(store(), "content").ok() && StoreBlob(store(), "more").ok());
  EXPECT_EQ(*store().StoredBytes(), 11);
  ASSERT_TRUE(*store().Remove(sha256, &NotNeeded));
  EXPECT_EQ(*store().StoredBytes(), 4);
}

TEST_P(BlobStoreConformance, DamagedBytesAreNeverRead) {
  const std::string sha256 = StoreBlob(store(), "content")->sha256;
  Damage(sha256);
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = store().Open(sha256).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_EQ(ReasonOf(status), "BLOB_DAMAGED");
  }
  EXPECT_TRUE(absl::IsDataLoss(store().Get(sha256).status()));
  EXPECT_THAT(*store().List("", 10), IsEmpty());
  const auto quarantined = store().ListQuarantined();
  ASSERT_TRUE(quarantined.ok()) << quarantined.status();
  ASSERT_EQ(quarantined->size(), 1u);
  EXPECT_EQ(quarantined->front().sha256, sha256);
}

TEST_P(BlobStoreConformance, TheRightBytesHealADamagedBlob) {
  const std::string sha256 = StoreBlob(store(), "content")->sha256;
  Damage(sha256);
  ASSERT_TRUE(absl::IsDataLoss(store().Verify(sha256, [] { return true; })));
  ASSERT_TRUE(StoreBlob(store(), "content").ok());
  EXPECT_EQ(Content(store(), sha256), "content");
  EXPECT_THAT(*store().ListQuarantined(), IsEmpty());
  EXPECT_TRUE(store().Verify(sha256, [] { return true; }).ok());
}

TEST_P(BlobStoreConformance, AnInterruptedVerificationSaysNothing) {
  const std::string sha256 = StoreBlob(store(), "content")->sha256;
  EXPECT_TRUE(absl::IsCancelled(store().Verify(sha256, [] { return false; })));
  EXPECT_EQ(Content(store(), sha256), "content");
}

TEST_P(BlobStoreConformance, ManyMayWriteTheSameBlob) {
  const std::string bytes(100'000, 'x');
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([&] {
      for (int round = 0; round < 10; ++round) {
        const auto held = StoreBlob(store(), bytes);
        ASSERT_TRUE(held.ok()) << held.status();
        EXPECT_EQ(Content(store(), held->sha256), bytes);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(store().List("", 10)->size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Local, BlobStoreConformance, testing::Values(&Make<LocalStore>));
INSTANTIATE_TEST_SUITE_P(Memory, BlobStoreConformance, testing::Values(&Make<InMemory>));

}  // namespace
}  // namespace acclimate::artifacts
