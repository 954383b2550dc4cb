#include "server/artifacts/local_blob_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/artifacts/sha256.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::artifacts {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LocalBlobStoreTest : public testing::Test {
 protected:
  LocalBlobStoreTest() { Reopen(); }

  void Reopen() {
    auto store = LocalBlobStore::Open(folder_.path(), &metrics_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  std::string Stage(const std::string& name, const std::string& bytes) {
    return folder_.Write("staging/" + name, bytes);
  }
  std::string Content(const std::string& sha256) {
    auto file = store_->OpenFile(sha256);
    EXPECT_TRUE(file.ok()) << file.status();
    if (!file.ok()) return "";
    std::string bytes(1 << 16, '\0');
    bytes.resize(pread(file->get(), bytes.data(), bytes.size(), 0));
    return bytes;
  }
  // Every file below the store but its folders.
  std::vector<std::string> Files() {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      if (entry.is_regular_file()) files.push_back(fs::relative(entry, folder_.path()));
    }
    return files;
  }

  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<LocalBlobStore> store_;
};

TEST_F(LocalBlobStoreTest, AnAdoptedFileIsTheBlob) {
  const std::string sha256 = Sha256Of("content");
  const std::string path = Stage("file", "content");
  EXPECT_TRUE(absl::IsNotFound(store_->Get(sha256).status())) << "not before it was adopted";
  const auto blob = store_->Adopt(path, sha256);
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_EQ(blob->sha256, sha256);
  EXPECT_EQ(blob->size_bytes, 7);
  EXPECT_EQ(Content(sha256), "content");
  EXPECT_THAT(Files(), testing::ElementsAre("blobs/" + sha256.substr(0, 2) + "/" + sha256));
  Reopen();
  EXPECT_EQ(store_->Get(sha256)->size_bytes, 7);
}

TEST_F(LocalBlobStoreTest, ABlobCannotBeWrittenTo) {
  const std::string sha256 = Sha256Of("content");
  ASSERT_TRUE(store_->Adopt(Stage("file", "content"), sha256).ok());
  struct stat info {};
  ASSERT_EQ(stat(folder_.File("blobs/" + sha256.substr(0, 2) + "/" + sha256).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0222, 0u);
  auto file = store_->OpenFile(sha256);
  EXPECT_EQ(write(file->get(), "x", 1), -1);
}

TEST_F(LocalBlobStoreTest, TheSameBytesAreKeptOnce) {
  const auto first = store_->Import(Stage("one", "content"));
  const auto second = store_->Import(Stage("two", "content"));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->sha256, Sha256Of("content"));
  EXPECT_EQ(second->sha256, first->sha256);
  EXPECT_THAT(Files(), testing::SizeIs(1)) << "the second file is gone too";
}

// What a kill leaves behind is never taken for a blob, and does not pile up.
TEST_F(LocalBlobStoreTest, WhatWasOnItsWayIsGoneAfterAKill) {
  Stage("half", "cont");
  store_ = nullptr;
  Reopen();
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_TRUE(fs::is_directory(store_->StagingDirectory()));
  EXPECT_TRUE(store_->Import(Stage("whole", "content")).ok());
}

TEST_F(LocalBlobStoreTest, ABlobThatIsNotCommittedLeavesNoFile) {
  {
    const auto blob = store_->Create();
    ASSERT_TRUE(blob.ok()) << blob.status();
    ASSERT_TRUE((*blob)->Append("content").ok());
  }
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(LocalBlobStoreTest, AFileThatIsNotThereMakesNoBlob) {
  const std::string sha256 = Sha256Of("content");
  EXPECT_TRUE(absl::IsNotFound(store_->Import(folder_.File("staging/none")).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Adopt(folder_.File("staging/none"), sha256).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Get(sha256).status()));
}

TEST_F(LocalBlobStoreTest, OnlyDigestsNameBlobs) {
  folder_.Write("secret", "outside of blobs/");
  for (const std::string& name :
       {std::string("../../secret"), std::string(), std::string(64, 'A'), std::string(63, 'a'),
        std::string(64, 'g'), "../" + std::string(61, 'a')}) {
    EXPECT_TRUE(absl::IsNotFound(store_->Get(name).status())) << name;
    EXPECT_TRUE(absl::IsNotFound(store_->Open(name).status())) << name;
    const std::string path = Stage("file", "content");
    EXPECT_TRUE(absl::IsInvalidArgument(store_->Adopt(path, name).status())) << name;
    EXPECT_TRUE(fs::exists(path)) << "a refused file stays its owner's";
  }
}

TEST_F(LocalBlobStoreTest, AMissingBlobIsNamed) {
  const std::string sha256 = Sha256Of("nobody has this");
  EXPECT_THAT(std::string(store_->Get(sha256).status().message()), HasSubstr(sha256));
  EXPECT_THAT(std::string(store_->Open(sha256).status().message()), HasSubstr(sha256));
}

TEST_F(LocalBlobStoreTest, KnowsHowManyBytesItStores) {
  const auto stored = [this] { return store_->StoredBytes().value(); };
  ASSERT_TRUE(store_->Import(Stage("first", "1234")).ok());
  EXPECT_EQ(stored(), 4);
  const auto second = store_->Import(Stage("second", "123456"));
  EXPECT_EQ(stored(), 10);
  ASSERT_TRUE(store_->Import(Stage("again", "123456")).ok());
  EXPECT_EQ(stored(), 10) << "the same bytes once";
  Reopen();
  ASSERT_TRUE(store_->Import(Stage("unverified", "1234")).ok());
  EXPECT_EQ(stored(), 10);
  ASSERT_TRUE(store_->Import(Stage("unverified", "123456")).ok());
  EXPECT_EQ(stored(), 10) << "in the place of the same";
  ASSERT_TRUE(*store_->Remove(Sha256Of("1234"), [] { return false; }));
  EXPECT_EQ(stored(), 6);
  EXPECT_FALSE(*store_->Remove(Sha256Of("123456"), [] { return true; }));
  EXPECT_EQ(stored(), 6);
}

}  // namespace
}  // namespace acclimate::artifacts
