#include "server/artifacts/upload_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/artifacts/crc32c.h"
#include "server/artifacts/local_blob_store.h"
#include "server/artifacts/sha256.h"
#include "server/base/errors.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::artifacts {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kTenant[] = "default";

class UploadStoreTest : public testing::Test {
 protected:
  UploadStoreTest() { Reopen(); }

  void Reopen(const UploadOptions& options = {}) {
    uploads_ = nullptr;
    blobs_ = *LocalBlobStore::Open(folder_.path(), &metrics_);
    auto uploads =
        UploadStore::Open(folder_.File("uploads"), blobs_.get(), blobs_.get(), &metrics_, options);
    ASSERT_TRUE(uploads.ok()) << uploads.status();
    uploads_ = *std::move(uploads);
  }
  UploadInfo Create(const std::string& content) {
    auto info = uploads_->Create(kTenant, Sha256Of(content), static_cast<int64_t>(content.size()));
    EXPECT_TRUE(info.ok()) << info.status();
    return info.ok() ? *info : UploadInfo();
  }
  std::unique_ptr<UploadWriter> Write(const UploadInfo& info) {
    auto writer = uploads_->Write(kTenant, info.id);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return writer.ok() ? *std::move(writer) : nullptr;
  }
  static absl::Status Append(UploadWriter& writer, int64_t offset, const std::string& data) {
    return writer.Append(offset, data, Crc32c(data));
  }
  int64_t Committed(const UploadInfo& info) {
    return uploads_->Get(kTenant, info.id)->committed_bytes;
  }
  std::string BlobContent(const std::string& sha256) {
    auto file = blobs_->OpenFile(sha256);
    EXPECT_TRUE(file.ok()) << file.status();
    std::string bytes(1 << 16, '\0');
    bytes.resize(file.ok() ? pread(file->get(), bytes.data(), bytes.size(), 0) : 0);
    return bytes;
  }
  int64_t DiskBytesOf(const UploadInfo& info) {
    struct stat status {};
    EXPECT_EQ(stat(folder_.File("uploads/" + info.id + ".data").c_str(), &status), 0);
    return status.st_blocks * 512;
  }
  std::vector<std::string> Files() {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(folder_.File("uploads"))) {
      files.push_back(entry.path().filename());
    }
    return files;
  }

  const TemporaryFolder folder_;
  metrics::ServerMetrics metrics_;
  std::unique_ptr<LocalBlobStore> blobs_;
  std::unique_ptr<UploadStore> uploads_;
};

TEST_F(UploadStoreTest, ChunksBecomeTheBlob) {
  const UploadInfo upload = Create("0123456789");
  EXPECT_EQ(upload.committed_bytes, 0);
  EXPECT_FALSE(upload.complete);
  auto writer = Write(upload);
  ASSERT_TRUE(Append(*writer, 0, "01234").ok());
  ASSERT_TRUE(Append(*writer, 5, "56789").ok());
  EXPECT_TRUE(absl::IsNotFound(blobs_->Get(upload.sha256).status())) << "not before Finish()";
  const auto finished = writer->Finish();
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_TRUE(finished->complete);
  EXPECT_EQ(BlobContent(upload.sha256), "0123456789");
  writer = nullptr;
  Reopen();
  EXPECT_TRUE(uploads_->Get(kTenant, upload.id)->complete);
  EXPECT_TRUE(absl::IsFailedPrecondition(uploads_->Write(kTenant, upload.id).status()));
}

// What a kill between the file and the description leaves.
TEST_F(UploadStoreTest, SpaceThatNoUploadNamesIsGivenBack) {
  const UploadInfo described = Create("0123456789");
  folder_.Write("uploads/orphan.data", "reserved");
  folder_.Write("uploads/orphan.json.new", "{");
  Reopen();
  EXPECT_THAT(Files(),
              ::testing::UnorderedElementsAre(described.id + ".data", described.id + ".json"));
}

TEST_F(UploadStoreTest, GoesOnFromTheCommittedOffsetAfterReopening) {
  const std::string content = "the first half, the second half";
  const UploadInfo upload = Create(content);
  ASSERT_TRUE(Append(*Write(upload), 0, content.substr(0, 15)).ok());  // and the stream breaks
  Reopen();
  const UploadInfo resumed = Create(content);
  EXPECT_EQ(resumed.id, upload.id);
  EXPECT_EQ(resumed.committed_bytes, 15);
  auto writer = Write(resumed);
  EXPECT_TRUE(absl::IsOutOfRange(Append(*writer, 0, content)));
  ASSERT_TRUE(Append(*writer, 15, content.substr(15)).ok());
  ASSERT_TRUE(writer->Finish()->complete);
  EXPECT_EQ(BlobContent(upload.sha256), content);
}

TEST_F(UploadStoreTest, ADamagedChunkIsRefusedAndLeavesNoTrace) {
  const UploadInfo upload = Create("0123456789");
  auto writer = Write(upload);
  ASSERT_TRUE(Append(*writer, 0, "01234").ok());
  const absl::Status damaged = writer->Append(5, "56x89", Crc32c("56789"));
  EXPECT_TRUE(absl::IsInvalidArgument(damaged)) << damaged;
  EXPECT_THAT(std::string(damaged.message()), HasSubstr("crc32c"));
  const auto finished = writer->Finish();
  EXPECT_EQ(finished->committed_bytes, 5);
  EXPECT_FALSE(finished->complete);
  writer = nullptr;
  EXPECT_EQ(Committed(upload), 5);

  writer = Write(upload);
  ASSERT_TRUE(Append(*writer, 5, "56789").ok());
  EXPECT_TRUE(writer->Finish()->complete);
  EXPECT_EQ(BlobContent(upload.sha256), "0123456789");
}

TEST_F(UploadStoreTest, AfterARefusedChunkTheSameStreamMayGoOn) {
  const UploadInfo upload = Create("0123456789");
  auto writer = Write(upload);
  EXPECT_FALSE(writer->Append(0, "01234", 0).ok());
  ASSERT_TRUE(Append(*writer, 0, "0123456789").ok());
  EXPECT_TRUE(writer->Finish()->complete) << "the digest has not seen the refused bytes";
}

TEST_F(UploadStoreTest, NothingGoesBeyondTheAnnouncedSize) {
  const UploadInfo upload = Create("0123456789");
  auto writer = Write(upload);
  ASSERT_TRUE(Append(*writer, 0, "012345678").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Append(*writer, 9, "9+")));
  EXPECT_TRUE(absl::IsInvalidArgument(Append(*writer, 9, std::string(kMaxChunkBytes + 1, '9'))));
  EXPECT_TRUE(absl::IsOutOfRange(Append(*writer, -1, "x")));
  EXPECT_TRUE(absl::IsOutOfRange(Append(*writer, INT64_MAX, "x")));
  EXPECT_EQ(writer->Finish()->committed_bytes, 9);
  writer = nullptr;
  EXPECT_EQ(Committed(upload), 9);
}

TEST_F(UploadStoreTest, AWrongOffsetNamesTheRightOne) {
  const UploadInfo upload = Create("0123456789");
  auto writer = Write(upload);
  ASSERT_TRUE(Append(*writer, 0, "0123").ok());
  for (int64_t offset : {0, 3, 5}) {
    const absl::Status status = Append(*writer, offset, "4");
    EXPECT_TRUE(absl::IsOutOfRange(status)) << offset;
    EXPECT_THAT(ToRpcStatus(status).DebugString(), HasSubstr("committed_bytes"));
  }
  EXPECT_TRUE(Append(*writer, 4, "4").ok());
}

TEST_F(UploadStoreTest, OtherBytesThanAnnouncedAreDiscarded) {
  const UploadInfo upload = Create("0123456789");
  auto writer = Write(upload);
  ASSERT_TRUE(Append(*writer, 0, "9876543210").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(writer->Finish().status()));
  writer = nullptr;
  EXPECT_TRUE(absl::IsNotFound(uploads_->Get(kTenant, upload.id).status()));
  EXPECT_TRUE(absl::IsNotFound(blobs_->Get(upload.sha256).status()));
  EXPECT_TRUE(absl::IsNotFound(blobs_->Get(Sha256Of("9876543210")).status()));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(UploadStoreTest, ABlobThatIsThereNeedsNoBytes) {
  ASSERT_TRUE(blobs_->Import(folder_.Write("staging/file", "content")).ok());
  const UploadInfo upload = Create("content");
  EXPECT_TRUE(upload.complete);
  EXPECT_EQ(upload.committed_bytes, 7);
  EXPECT_TRUE(absl::IsInvalidArgument(uploads_->Create(kTenant, Sha256Of("content"), 8).status()));
}

TEST_F(UploadStoreTest, AnEmptyBlobCanBeUploaded) {
  const UploadInfo upload = Create("");
  EXPECT_TRUE(Write(upload)->Finish()->complete);
  EXPECT_EQ(blobs_->Get(Sha256Of(""))->size_bytes, 0);
}

TEST_F(UploadStoreTest, OneStreamAtATime) {
  const UploadInfo upload = Create("0123456789");
  auto writer = Write(upload);
  EXPECT_TRUE(absl::IsAborted(uploads_->Write(kTenant, upload.id).status()));
  EXPECT_NE(Create("0123456789").id, upload.id) << "a busy upload is not shared";
  writer = nullptr;
  EXPECT_TRUE(uploads_->Write(kTenant, upload.id).ok());
}

TEST_F(UploadStoreTest, TwoUploadsOfOneBlobBothSucceed) {
  const UploadInfo first = Create("content");
  auto first_writer = Write(first);
  const UploadInfo second = Create("content");
  auto second_writer = Write(second);
  for (UploadWriter* writer : {first_writer.get(), second_writer.get()}) {
    ASSERT_TRUE(Append(*writer, 0, "content").ok());
    const auto finished = writer->Finish();
    ASSERT_TRUE(finished.ok()) << finished.status();
    EXPECT_TRUE(finished->complete);
  }
  EXPECT_EQ(BlobContent(first.sha256), "content");
}

TEST_F(UploadStoreTest, AnUploadIsItsTenantsOwn) {
  const UploadInfo upload = Create("content");
  EXPECT_TRUE(absl::IsNotFound(uploads_->Get("other", upload.id).status()));
  EXPECT_TRUE(absl::IsNotFound(uploads_->Write("other", upload.id).status()));
  EXPECT_NE(uploads_->Create("other", upload.sha256, 7)->id, upload.id);
}

TEST_F(UploadStoreTest, WhatTheDiskCannotHoldIsRefusedUpFront) {
  Reopen({.max_blob_bytes = 100});
  EXPECT_TRUE(
      absl::IsResourceExhausted(uploads_->Create(kTenant, Sha256Of("large"), 101).status()));
  EXPECT_TRUE(uploads_->Create(kTenant, Sha256Of("fits"), 100).ok());

  const DiskWatermark full("/data", {0.9, 0}, [](const std::string&) {
    return DiskUsage{1000, 100};
  });
  Reopen({.disk = &full});
  const auto files = Files();
  EXPECT_TRUE(absl::IsResourceExhausted(uploads_->Create(kTenant, Sha256Of("a"), 1).status()));
  EXPECT_EQ(Files(), files) << "nothing is left of a refused one";
}

TEST_F(UploadStoreTest, AnUploadWithoutBytesTakesNoSpace) {
  const auto upload = uploads_->Create(kTenant, Sha256Of("large"), int64_t{100} << 20);
  ASSERT_TRUE(upload.ok());
  EXPECT_EQ(DiskBytesOf(*upload), 0);
}

TEST_F(UploadStoreTest, SpaceIsReservedAsTheBytesComeAndGivenBack) {
  const auto upload = uploads_->Create(kTenant, Sha256Of("large"), int64_t{100} << 20);
  ASSERT_TRUE(upload.ok());
  auto writer = Write(*upload);
  ASSERT_TRUE(Append(*writer, 0, std::string(kMaxChunkBytes, 'x')).ok());
  if (DiskBytesOf(*upload) <= 2 * kMaxChunkBytes) {
    GTEST_SKIP() << "this file system does not preallocate";
  }
  EXPECT_GE(DiskBytesOf(*upload), kReservedBytes);
  EXPECT_LT(DiskBytesOf(*upload), 2 * kReservedBytes);
  for (int64_t offset = kMaxChunkBytes; offset <= kReservedBytes; offset += kMaxChunkBytes) {
    ASSERT_TRUE(Append(*writer, offset, std::string(kMaxChunkBytes, 'x')).ok());
  }
  EXPECT_GE(DiskBytesOf(*upload), 2 * kReservedBytes);
  writer = nullptr;  // the stream breaks
  EXPECT_EQ(Committed(*upload), kReservedBytes + kMaxChunkBytes);
  EXPECT_LE(DiskBytesOf(*upload), kReservedBytes + 2 * kMaxChunkBytes);
}

TEST_F(UploadStoreTest, WhatAStreamHadReservedAtAKillIsGivenBack) {
  const UploadInfo upload = Create("0123456789");
  ASSERT_TRUE(Append(*Write(upload), 0, "01234").ok());
  const int file =
      open(folder_.File("uploads/" + upload.id + ".data").c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  const bool reserved = fallocate(file, FALLOC_FL_KEEP_SIZE, 5, kReservedBytes) == 0;
  close(file);
  if (!reserved) GTEST_SKIP() << "this file system does not preallocate";
  ASSERT_GE(DiskBytesOf(upload), kReservedBytes);
  Reopen();
  EXPECT_LT(DiskBytesOf(upload), kMaxChunkBytes);
  EXPECT_EQ(Committed(upload), 5);
}

TEST_F(UploadStoreTest, AnAbortedUploadIsGone) {
  const UploadInfo upload = Create("0123456789");
  ASSERT_TRUE(Append(*Write(upload), 0, "01234").ok());
  EXPECT_TRUE(absl::IsNotFound(uploads_->Abort("other", upload.id)));
  EXPECT_TRUE(uploads_->Abort(kTenant, upload.id).ok());
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(uploads_->Get(kTenant, upload.id).status()));
  EXPECT_TRUE(absl::IsNotFound(uploads_->Abort(kTenant, upload.id)));
  EXPECT_EQ(Create("0123456789").committed_bytes, 0) << "the next begins anew";
}

TEST_F(UploadStoreTest, AbortEndsTheStreamThatWrites) {
  const UploadInfo upload = Create("0123456789");
  auto writer = Write(upload);
  ASSERT_TRUE(Append(*writer, 0, "01234").ok());
  ASSERT_TRUE(uploads_->Abort(kTenant, upload.id).ok());
  EXPECT_TRUE(absl::IsNotFound(Append(*writer, 5, "56789")));
  EXPECT_TRUE(absl::IsNotFound(writer->Finish().status()));
  writer = nullptr;
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(blobs_->Get(upload.sha256).status()));
}

TEST_F(UploadStoreTest, TheBlobOfAnAbortedCompleteUploadStays) {
  const UploadInfo upload = Create("0123456789");
  auto writer = Write(upload);
  ASSERT_TRUE(Append(*writer, 0, "0123456789").ok());
  ASSERT_TRUE(writer->Finish()->complete);
  writer = nullptr;
  EXPECT_TRUE(uploads_->Abort(kTenant, upload.id).ok());
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_EQ(BlobContent(upload.sha256), "0123456789");
}

TEST_F(UploadStoreTest, AForgottenUploadIsRemoved) {
  const UploadInfo upload = Create("content");
  ASSERT_THAT(Files(), SizeIs(2));
  Reopen({.expiry = -absl::Seconds(1)});  // older than any
  EXPECT_TRUE(absl::IsNotFound(uploads_->Get(kTenant, upload.id).status()));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(UploadStoreTest, AnUnreadableDescriptionHarmsNoOther) {
  const UploadInfo upload = Create("content");
  folder_.Write("uploads/torn.json", "{\"tenant\":\"def");
  folder_.Write("uploads/other.json", "[1, 2]");
  folder_.Write("uploads/types.json", R"({"tenant":1,"sha256":[],"size_bytes":"x"})");
  Reopen();
  EXPECT_TRUE(uploads_->Get(kTenant, upload.id).ok());
  for (const char* id : {"torn", "other", "types"}) {
    EXPECT_TRUE(absl::IsNotFound(uploads_->Get(kTenant, id).status())) << id;
  }
}

UploadOptions Storing(int64_t bytes) {
  UploadOptions options;
  options.max_stored_bytes = [bytes](const std::string&) { return bytes; };
  return options;
}

TEST_F(UploadStoreTest, WhatIsAnnouncedCountsAsStored) {
  Reopen(Storing(20));
  const UploadInfo open = Create("0123456789");
  const auto refused = uploads_->Create(kTenant, Sha256Of("x"), 11);
  EXPECT_EQ(ReasonOf(refused.status()), "STORAGE_QUOTA_EXCEEDED");
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("tenants/default stores 0 bytes and has announced 10 more in open uploads; "
                        "with the 11 bytes of this one it would be more than the 20"));
  EXPECT_EQ(Create("0123456789").id, open.id) << "to go on needs no room";
  EXPECT_TRUE(uploads_->Create(kTenant, Sha256Of("x"), 10).ok());
  Reopen(Storing(20));
  EXPECT_FALSE(uploads_->Create(kTenant, Sha256Of("y"), 1).ok()) << "after a restart too";
  ASSERT_TRUE(uploads_->Abort(kTenant, open.id).ok());
  EXPECT_TRUE(uploads_->Create(kTenant, Sha256Of("y"), 10).ok());
}

TEST_F(UploadStoreTest, WhatIsStoredCountsUntilItIsRemoved) {
  Reopen(Storing(15));
  const UploadInfo upload = Create("0123456789");
  auto writer = Write(upload);
  ASSERT_TRUE(Append(*writer, 0, "0123456789").ok());
  ASSERT_TRUE(writer->Finish().ok());
  writer = nullptr;
  const auto refused = uploads_->Create(kTenant, Sha256Of("x"), 6);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("stores 10 bytes"));
  EXPECT_TRUE(Create("0123456789").complete) << "what is there needs no room";
  ASSERT_TRUE(*blobs_->Remove(upload.sha256, [] { return false; }));
  EXPECT_TRUE(uploads_->Create(kTenant, Sha256Of("x"), 6).ok());
}

TEST_F(UploadStoreTest, ManyAtOnceDoNotPassTogether) {
  Reopen(Storing(40));
  std::atomic<int> made = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i, &made] {
      made += uploads_->Create(kTenant, Sha256Of(absl::StrCat(i)), 10).ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 4);
}

}  // namespace
}  // namespace acclimate::artifacts
