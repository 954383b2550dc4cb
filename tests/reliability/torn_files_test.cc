// Files of the data folder that were torn or flipped: the server refuses by name, or serves what is
// right, and never anything else.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/lib/names.h"
#include "client/lib/uploader.h"
#include "gtest/gtest.h"
#include "server/artifacts/crc32c.h"
#include "server/artifacts/sha256.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/blob_bytes.h"
#include "tests/reliability/event_log.h"
#include "tests/reliability/folders_in_memory.h"
#include "tests/reliability/options.h"
#include "tests/reliability/store_rows.h"

namespace acclimate::reliability {
namespace {

namespace fs = std::filesystem;
using e2e::ApiClient;
using e2e::Bytes;
using e2e::ServerProcess;
using e2e::TemporaryFolder;

constexpr int kJobs = 32;
constexpr int64_t kMiB = 1 << 20;

// A data folder as a kill leaves it, and all that was in it.
class Original {
 public:
  Original() : folder_(files_.File("data")) {
    const std::string data = e2e::ImageDataset({.count = 40}, true);
    std::string trained;
    ServerProcess server(/*slots=*/0);
    server.Stop();
    {
      // A stop puts all that was written into the store itself. What a cut of the write-ahead log
      // then takes away is of jobs that no attempt has touched, which a start leaves as they are.
      ServerProcess trainer(/*slots=*/1);
      ApiClient api(trainer);
      const std::string blob = api.Upload(data);
      blobs_ = {{blob, data}};
      trained = api.WaitForEnd(api.Create(e2e::TrainingSpec(blob, 2))->name()).name();
      trainer.Stop();
      fs::remove_all(server.data_folder());
      fs::copy(trainer.data_folder(), server.data_folder(), fs::copy_options::recursive);
    }
    server.Start();
    AddJobs(server, 0, kJobs * 3 / 4);
    server.Stop();
    server.Start();
    AddJobs(server, kJobs * 3 / 4, kJobs);
    ApiClient api(server);
    BeginUpload(api.connection());
    for (const v1::Job& listed : api.List()) {
      const v1::Job job = *api.Get(listed.name());
      jobs_[job.name()] = job;
      events_[job.name()] = ExpectWholeHistory(api.connection(), job, 1, 0);
    }
    for (const v1::OutputFile& file : jobs_.at(trained).result().files()) {
      blobs_[file.blob()] = *ReadBlob(api.connection(), file.blob());
    }
    server.Kill();
    fs::copy(server.data_folder(), folder_, fs::copy_options::recursive);
    // 16 MiB that are made again; what a server was reached by.
    for (const char* file : {"/reserve", "/endpoint.json"}) fs::remove(folder_ + file);
    fs::remove_all(folder_ + "/scratch");
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (entry.is_regular_file() && entry.file_size() > 0) {
        paths_.push_back(fs::relative(entry.path(), folder_));
      }
    }
    std::sort(paths_.begin(), paths_.end());
  }

  void CopyTo(const std::string& folder) const {
    fs::remove_all(folder);
    fs::copy(folder_, folder, fs::copy_options::recursive);
  }
  // Relative to the data folder.
  const std::vector<std::string>& paths() const { return paths_; }
  const std::map<std::string, std::string>& blobs() const { return blobs_; }
  const std::map<std::string, v1::Job>& jobs() const { return jobs_; }
  const std::vector<v1::JobEvent>& EventsOf(const std::string& job) const {
    return events_.at(job);
  }
  const std::string& unfinished() const { return unfinished_; }

 private:
  void AddJobs(const ServerProcess& server, int from, int to) {
    ApiClient api(server);
    for (int i = from; i < to; ++i) {
      v1::JobSpec spec = e2e::TrainingSpec(blobs_.begin()->first);
      (*spec.mutable_labels())["number"] = absl::StrCat(i);
      const std::string job = api.Create(spec, absl::StrCat("request ", i))->name();
      if (i % 3 == 0) {
        EXPECT_TRUE(api.Cancel(job).ok());
      } else if (i % 3 == 1) {
        EXPECT_TRUE(api.Pause(job).ok());
      }
    }
  }

  void BeginUpload(client::Connection& connection) {
    v1::CreateUploadRequest create;
    create.set_parent(client::kDefaultParent);
    create.set_sha256(artifacts::Sha256Of(unfinished_));
    create.set_size_bytes(static_cast<int64_t>(unfinished_.size()));
    const auto upload = connection.Call<v1::Upload>(
        connection.artifacts(), &v1::ArtifactService::Stub::CreateUpload, create);
    ASSERT_TRUE(upload.ok()) << upload.status();
    grpc::ClientContext context;
    v1::Upload answer;
    const auto writer = connection.artifacts().WriteUpload(&context, &answer);
    v1::WriteUploadRequest chunk;
    chunk.set_name(upload->name());
    chunk.set_data(unfinished_.substr(0, kMiB));
    chunk.set_crc32c(artifacts::Crc32c(chunk.data()));
    ASSERT_TRUE(writer->Write(chunk));
    writer->WritesDone();
    ASSERT_TRUE(writer->Finish().ok());
  }

  const TemporaryFolder files_;
  const std::string folder_;
  const std::string unfinished_ = e2e::RandomBytes(2 * kMiB, 99);
  std::map<std::string, std::string> blobs_;  // by name
  std::map<std::string, v1::Job> jobs_;
  std::map<std::string, std::vector<v1::JobEvent>> events_;
  std::vector<std::string> paths_;
};

// Damages the file; what it did.
std::string Damage(const std::string& path, std::mt19937_64& random) {
  fs::permissions(path, fs::perms::owner_all);
  const auto size = static_cast<int64_t>(fs::file_size(path));
  const int64_t at = Draw(random, size - 1);
  const auto write = [&](int64_t where, const std::string& bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(where);
    file << bytes;
  };
  switch (Draw(random, 4)) {
    case 0:
      fs::resize_file(path, static_cast<uintmax_t>(at));
      return absl::StrCat("cut at ", at);
    case 1: {  // a page that never reached the disk
      const int64_t page = at / 4096 * 4096;
      write(page, std::string(static_cast<size_t>(std::min<int64_t>(4096, size - page)), '\0'));
      return absl::StrCat("zeros at ", page);
    }
    case 2: {
      const int64_t length = 1 + Draw(random, 100);
      std::ofstream(path, std::ios::app | std::ios::binary) << e2e::RandomBytes(length, random());
      return absl::StrCat(length, " bytes appended");
    }
    default: {
      const char byte = e2e::ReadFile(path)[static_cast<size_t>(at)];
      const int bit = static_cast<int>(Draw(random, 7));
      write(at, std::string(1, static_cast<char>(byte ^ (1 << bit))));
      return absl::StrCat("bit ", bit, " of byte ", at, " flipped");
    }
  }
}

class TornFilesTest : public testing::Test {
 protected:
  // Everything that the server answers is right, or an error with a name.
  void CheckAnswers(bool of_database) {
    client::ConnectionOptions options;
    options.server = server_.address();
    options.reconnect_patience = absl::ZeroDuration();
    client::Connection connection(options);
    for (const auto& [name, job] : original_.jobs()) CheckJob(connection, job, of_database);
    for (const auto& [blob, bytes] : original_.blobs()) {
      const absl::StatusOr<std::string> read = ReadBlob(connection, blob);
      if (read.ok()) {
        EXPECT_TRUE(*read == bytes) << blob;
      } else {
        EXPECT_TRUE(absl::IsDataLoss(read.status())) << blob << ": " << read.status();
        EXPECT_FALSE(of_database) << read.status();
      }
    }
    CheckUpload(connection);
  }

  void CheckJob(client::Connection& connection, const v1::Job& job, bool of_database) {
    v1::GetJobRequest request;
    request.set_name(job.name());
    const absl::StatusOr<v1::Job> now =
        connection.Call<v1::Job>(connection.jobs(), &v1::JobService::Stub::GetJob, request);
    if (!now.ok()) {
      EXPECT_TRUE(of_database) << now.status();
      // What was committed last may be lost with the end of the write-ahead log.
      EXPECT_TRUE(absl::IsDataLoss(now.status()) || absl::IsNotFound(now.status())) << now.status();
      missing_ += absl::IsNotFound(now.status()) ? 1 : 0;
      return;
    }
    if (!of_database || now->last_cursor() == job.last_cursor()) {
      EXPECT_EQ(Bytes(*now), Bytes(job)) << "wrong bytes: " << now->DebugString();
    } else {
      EXPECT_LT(now->last_cursor(), job.last_cursor());
      EXPECT_EQ(Bytes(now->spec()), Bytes(job.spec())) << now->DebugString();
    }
    if (Draw(random_, 3) > 0) return;
    const std::vector<v1::JobEvent>& events = original_.EventsOf(job.name());
    const auto most = static_cast<size_t>(std::min(now->last_cursor(), job.last_cursor()));
    const auto read = ReadEvents(connection, job.name(), 0, most, absl::Seconds(1));
    for (size_t i = 0; i < read.size() && i < events.size(); ++i) {
      EXPECT_EQ(Bytes(read[i]), Bytes(events[i])) << "wrong bytes: " << read[i].DebugString();
    }
  }

  // It goes on, or begins anew; what comes of it is right.
  void CheckUpload(client::Connection& connection) {
    const std::string path = folder_.File("unfinished");
    e2e::WriteFile(path, original_.unfinished());
    auto uploaded = client::Uploader(connection).Upload({path});
    if (absl::IsInvalidArgument(uploaded.status())) {  // what was there is damaged, and discarded
      uploaded = client::Uploader(connection).Upload({path});
    }
    ASSERT_TRUE(uploaded.ok()) << uploaded.status();
    const absl::StatusOr<std::string> read = ReadBlob(connection, uploaded->front().blob);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == original_.unfinished());
  }

  const FoldersInMemory in_memory_;
  const Original original_;
  const TemporaryFolder folder_;
  ServerProcess server_{/*slots=*/0, {"--log-level=warning"}};
  std::mt19937_64 random_ = RandomFor("damage");
  int64_t missing_ = 0;
};

TEST_F(TornFilesTest, AreRefusedByNameOrServedRight) {
  server_.Stop();
  const int64_t rounds = Count(300, 20'000);
  int64_t refused = 0, served = 0;
  std::map<std::string, int64_t> by_kind;
  for (int64_t i = 0; i < rounds; ++i) {
    original_.CopyTo(server_.data_folder());
    // Half of them in the database: it is the largest promise in the smallest file.
    std::vector<std::string> candidates;
    const bool of_database = i % 2 == 0;
    for (const std::string& path : original_.paths()) {
      if (absl::StartsWith(path, "jobs.sqlite") == of_database) candidates.push_back(path);
    }
    if (of_database) candidates.insert(candidates.end(), 3, "jobs.sqlite");
    const std::string path =
        candidates[static_cast<size_t>(Draw(random_, static_cast<int64_t>(candidates.size()) - 1))];
    const std::string file = server_.data_folder() + "/" + path;
    // A bit that flips anywhere in the file is seldom one of a row.
    const bool of_row = path == "jobs.sqlite" && Draw(random_, 1) == 0;
    const std::string what =
        absl::StrCat(path, ": ", of_row ? FlipBitOfARow(file, random_) : Damage(file, random_));
    SCOPED_TRACE(what);
    ++by_kind[fs::path(path).parent_path().empty() ? path : path.substr(0, path.find('/'))];
    if (!server_.TryStart()) {
      ++refused;
      EXPECT_EQ(server_.WaitForExit(), 1);
      EXPECT_TRUE(absl::StrContains(server_.log(), "job store")) << server_.log();
      EXPECT_TRUE(of_database);
      continue;
    }
    ++served;
    CheckAnswers(of_database);
    server_.Kill();
  }
  std::string kinds;
  for (const auto& [kind, count] : by_kind) absl::StrAppend(&kinds, " ", kind, " ", count);
  Report("damages", absl::StrCat(rounds, ":", kinds));
  Report("the server", absl::StrCat("refused ", refused, ", served ", served, "; ", missing_,
                                    " answers that a job is not there"));
}

}  // namespace
}  // namespace acclimate::reliability
