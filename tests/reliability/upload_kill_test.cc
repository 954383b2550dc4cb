// An upload goes on where it stood after a kill of the server or of the client.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/uploader.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/blob_bytes.h"
#include "tests/reliability/folders_in_memory.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ChildProcess;
using e2e::ServerProcess;
using e2e::TemporaryFolder;
using e2e::WaitUntil;

constexpr int64_t kMebibyte = 1 << 20;
// What can be on its way: eight chunks that wait to be written, the window of the stream, and what
// the kernels of both sides keep for a connection.
constexpr int64_t kMostSentAgain = 8 * kMebibyte;

// Of the upload that has begun.
int64_t CommittedBytes(const ServerProcess& server) {
  std::error_code gone;
  for (std::filesystem::directory_iterator file(server.data_folder() + "/uploads", gone), end;
       file != end; file.increment(gone)) {
    if (file->path().extension() == ".data") return static_cast<int64_t>(file->file_size(gone));
  }
  return 0;
}

// What a client sends, as its listener hears of it.
class Sent {
 public:
  void Heard(int64_t done) {
    if (done <= done_) again_ += done_ - (done - kMebibyte);
    first_ = std::min(first_.load(), done - kMebibyte);
    done_ = done;
  }
  int64_t done() const { return done_; }
  int64_t again() const { return again_; }
  int64_t first() const { return first_; }

 private:
  std::atomic<int64_t> done_{0}, again_{0}, first_{INT64_MAX};
};

class UploadKillTest : public testing::Test {
 protected:
  // Sends the file to its end; returns the blob.
  std::string Upload(client::Connection& connection, Sent& sent) {
    client::Uploader uploader(connection, [&](const std::string&, int64_t done, int64_t total) {
      if (done < total || sent.done() < total) sent.Heard(done);
    });
    const auto uploaded = uploader.Upload({path_});
    EXPECT_TRUE(uploaded.ok()) << uploaded.status();
    return uploaded.ok() ? uploaded->front().blob : "";
  }

  int64_t KillServer(ServerProcess& server, int64_t at) {
    const auto connection = server.Connect();
    Sent sent;
    std::thread killer([&] {
      WaitUntil([&] { return sent.done() >= at; });
      server.Kill();
      server.Start();
    });
    const std::string blob = Upload(*connection, sent);
    killer.join();
    ExpectWhole(server, blob);
    return sent.again();
  }

  // What the server had is not sent again; what was on its way is lost with the client.
  int64_t KillClient(ServerProcess& server, int64_t at) {
    {
      ChildProcess cli({ACCLIMATE_CLI, "--server", server.address(), "blobs", "put", path_},
                       folder_.File("client"));
      WaitUntil([&] { return CommittedBytes(server) >= at || !cli.Running(); });
      cli.Signal(SIGKILL);
      cli.Wait();
    }
    const int64_t committed = CommittedBytes(server);
    Sent sent;
    const std::string blob = Upload(*server.Connect(), sent);
    ExpectWhole(server, blob);
    if (committed == 0) return 0;  // it was faster than the kill
    return std::max<int64_t>(0, committed - sent.first());
  }

  void ExpectWhole(const ServerProcess& server, const std::string& blob) {
    const absl::StatusOr<std::string> bytes = ReadBlob(*server.Connect(), blob);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_TRUE(*bytes == bytes_) << "not the bytes that were sent";
  }

  const FoldersInMemory in_memory_;
  const TemporaryFolder folder_;
  const std::string path_ = folder_.File("file");
  std::string bytes_;
};

TEST_F(UploadKillTest, LittleIsSentAgain) {
  std::mt19937_64 random = RandomFor("uploads");
  const int64_t size = (RunOptions().long_form ? 1024 : 64) * kMebibyte;
  bytes_ = e2e::RandomBytes(size, random());
  e2e::WriteFile(path_, bytes_);
  int64_t most[2] = {0, 0}, sum[2] = {0, 0};
  const int64_t uploads = Count(20, 500);
  for (int64_t i = 0; i < uploads; ++i) {
    const bool client = i % 2 == 1;
    ServerProcess server(/*slots=*/0);
    const int64_t at = Draw(random, size - 2 * kMebibyte);
    const int64_t again = client ? KillClient(server, at) : KillServer(server, at);
    EXPECT_LE(again, kMostSentAgain) << (client ? "client" : "server") << " killed at " << at;
    most[client] = std::max(most[client], again);
    sum[client] += again;
    server.Kill();  // nothing is left to end in order
  }
  Report("uploads", absl::StrCat(uploads, " of ", size / kMebibyte, " MiB"));
  Report(
      "sent again after a kill of the server",
      absl::StrCat("at most ", most[0] / kMebibyte, " MiB, in all ", sum[0] / kMebibyte, " MiB"));
  Report("sent again after a kill of the client", absl::StrCat("at most ", most[1], " bytes"));
}

}  // namespace
}  // namespace acclimate::reliability
