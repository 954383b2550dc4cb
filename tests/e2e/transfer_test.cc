// Uploads and downloads that survive the death of either side.
#include <signal.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/lib/downloader.h"
#include "client/lib/names.h"
#include "client/lib/uploader.h"
#include "gtest/gtest.h"
#include "server/artifacts/crc32c.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

constexpr int64_t kMiB = 1 << 20;

class TransferTest : public testing::Test {
 protected:
  std::string NewFile(int64_t size_bytes, uint64_t seed) {
    const std::string path = folder_.File(absl::StrCat("file", seed));
    WriteFile(path, RandomBytes(size_bytes, seed));
    return path;
  }

  // Of all unfinished uploads.
  int64_t ReceivedBytes() {
    int64_t size_bytes = 0;
    std::error_code gone;
    for (std::filesystem::directory_iterator file(server_.data_folder() + "/uploads", gone), end;
         file != end; file.increment(gone)) {
      if (file->path().extension() == ".data") size_bytes += file->file_size(gone);
    }
    return size_bytes;
  }

  // Uploads the file and tells the offset that the first chunk began at.
  int64_t FirstOffset(client::Connection& connection, const std::string& path) {
    int64_t first = -1;
    client::Uploader uploader(connection, [&](const std::string&, int64_t done, int64_t) {
      if (first < 0) first = done - kMiB;
    });
    absl::StatusOr<std::vector<client::UploadedFile>> files = uploader.Upload({path});
    EXPECT_TRUE(files.ok()) << files.status();
    return first;
  }

  struct UploadStream {
    grpc::ClientContext context;
    v1::Upload answer;
    std::unique_ptr<grpc::ClientWriter<v1::WriteUploadRequest>> writer;
  };
  // Begins to upload the file, and sends its first MiB.
  void Begin(const std::string& path, client::Connection& connection, UploadStream& stream) {
    const client::FileDigest digest = *client::DigestFile(path);
    const absl::StatusOr<v1::Upload> upload =
        ApiClient(server_).CreateUpload(digest.sha256, digest.size_bytes);
    ASSERT_TRUE(upload.ok()) << upload.status();
    stream.writer = connection.artifacts().WriteUpload(&stream.context, &stream.answer);
    v1::WriteUploadRequest chunk;
    chunk.set_name(upload->name());
    chunk.set_data(ReadFile(path).substr(0, kMiB));
    chunk.set_crc32c(artifacts::Crc32c(chunk.data()));
    ASSERT_TRUE(stream.writer->Write(chunk));
  }

  const TemporaryFolder folder_;
  ServerProcess server_;
};

TEST_F(TransferTest, AnUploadSurvivesAKillOfTheServer) {
  const std::string path = NewFile(48 * kMiB, 1);
  std::unique_ptr<client::Connection> connection = server_.Connect();
  bool killed = false;
  int64_t resumed_at = -1;
  client::Uploader uploader(*connection, [&](const std::string&, int64_t done, int64_t) {
    if (killed && resumed_at < 0 && done < 47 * kMiB) resumed_at = done - kMiB;
    if (killed || done < 24 * kMiB) return;
    EXPECT_TRUE(WaitUntil([&] { return ReceivedBytes() >= 8 * kMiB; }));
    killed = true;
    server_.Kill();
    server_.Start();
  });
  absl::StatusOr<std::vector<client::UploadedFile>> files = uploader.Upload({path});
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_TRUE(killed);
  EXPECT_GE(resumed_at, 8 * kMiB) << "what the server had must not be sent again";
  EXPECT_EQ(ApiClient(server_).Download(files->front().blob), ReadFile(path));
}

TEST_F(TransferTest, AnUploadWhoseEveryByteHadArrivedAtTheKillCompletes) {
  const std::string path = NewFile(kMiB, 7);
  std::unique_ptr<client::Connection> connection = server_.Connect();
  {
    UploadStream stream;
    ASSERT_NO_FATAL_FAILURE(Begin(path, *connection, stream));
    ASSERT_TRUE(WaitUntil([&] { return ReceivedBytes() == kMiB; }));
    server_.Kill();
    stream.context.TryCancel();
    stream.writer->Finish();
  }
  server_.Start();
  const auto files = client::Uploader(*connection).Upload({path});
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(ReceivedBytes(), 0);
  EXPECT_EQ(ApiClient(server_).Download(files->front().blob), ReadFile(path));
}

TEST_F(TransferTest, AnUploadSurvivesAKillOfTheClient) {
  // A fast machine may finish before the kill: then another file is tried.
  for (uint64_t seed = 10; seed < 20; ++seed) {
    const std::string path = NewFile(128 * kMiB, seed);
    {
      ChildProcess client({ACCLIMATE_CLI, "--server", server_.address(), "blobs", "put", path},
                          folder_.File("client"));
      WaitUntil([&] { return ReceivedBytes() > 4 * kMiB || !client.Running(); });
      client.Signal(SIGKILL);
      client.Wait();
    }
    if (ReceivedBytes() == 0) continue;
    EXPECT_GE(FirstOffset(*server_.Connect(), path), 4 * kMiB);
    EXPECT_EQ(ReceivedBytes(), 0) << "a finished upload leaves nothing behind";
    return;
  }
  GTEST_SKIP() << "no upload could be caught in the middle";
}

TEST_F(TransferTest, AnInterruptedUploadCanBeAborted) {
  const std::string path = NewFile(3 * kMiB, 6);
  std::unique_ptr<client::Connection> connection = server_.Connect();
  {
    UploadStream stream;
    ASSERT_NO_FATAL_FAILURE(Begin(path, *connection, stream));
    stream.writer->WritesDone();
    ASSERT_TRUE(stream.writer->Finish().ok());
    ASSERT_EQ(stream.answer.committed_bytes(), kMiB);
  }
  EXPECT_EQ(ReceivedBytes(), kMiB);

  ChildProcess first({ACCLIMATE_CLI, "--server", server_.address(), "blobs", "abort", path},
                     folder_.File("first"));
  EXPECT_EQ(first.Wait(), 0) << first.Stderr();
  EXPECT_EQ(first.Stdout(), path + "  aborted\n");
  EXPECT_TRUE(std::filesystem::is_empty(server_.data_folder() + "/uploads"));
  ChildProcess second({ACCLIMATE_CLI, "--server", server_.address(), "blobs", "abort", path},
                      folder_.File("second"));
  EXPECT_EQ(second.Wait(), 0) << second.Stderr();
  EXPECT_EQ(second.Stdout(), path + "  (no upload was open)\n");
  EXPECT_TRUE(std::filesystem::is_empty(server_.data_folder() + "/uploads"));

  EXPECT_EQ(FirstOffset(*connection, path), 0) << "from its first byte again";
}

TEST_F(TransferTest, ABlobThatTheServerHasCostsNothing) {
  const std::string path = NewFile(3 * kMiB, 2);
  std::unique_ptr<client::Connection> connection = server_.Connect();
  EXPECT_EQ(FirstOffset(*connection, path), 0);
  EXPECT_EQ(FirstOffset(*connection, path), -1);
  EXPECT_TRUE(client::Uploader(*connection).Upload({path})->front().existed);
}

TEST_F(TransferTest, ADownloadGoesOnWhereItStoppedAndIsVerified) {
  const std::string bytes = RandomBytes(8 * kMiB + 17, 3);
  ApiClient api(server_);
  const std::string blob = api.Upload(bytes);
  const std::string path = folder_.File("copy");
  const std::string part =
      absl::StrCat(path, ".", client::LastSegment(blob).substr(0, 12), ".part");

  WriteFile(part, bytes.substr(0, 5 * kMiB));
  int64_t first = -1;
  client::Downloader downloader(api.connection(), [&](const std::string&, int64_t done, int64_t) {
    if (first < 0) first = done;
  });
  ASSERT_TRUE(downloader.Download(blob, path).ok());
  EXPECT_GT(first, 5 * kMiB);
  EXPECT_EQ(ReadFile(path), bytes);
  EXPECT_FALSE(std::filesystem::exists(part));

  WriteFile(part, RandomBytes(5 * kMiB, 4));
  EXPECT_EQ(downloader.Download(blob, path).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadFile(path), bytes) << "a bad download replaces nothing";
  EXPECT_TRUE(downloader.Download(blob, path).ok());
}

TEST_F(TransferTest, ADownloadSurvivesAKillOfTheServer) {
  const std::string bytes = RandomBytes(64 * kMiB, 5);
  ApiClient api(server_);
  const std::string blob = api.Upload(bytes);
  bool killed = false;
  client::Downloader downloader(api.connection(), [&](const std::string&, int64_t done, int64_t) {
    if (killed || done < 8 * kMiB) return;
    killed = true;
    server_.Kill();
    server_.Start();
  });
  const absl::Status status = downloader.Download(blob, folder_.File("copy"));
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(killed);
  EXPECT_EQ(ReadFile(folder_.File("copy")), bytes);
}

}  // namespace
}  // namespace acclimate::e2e
