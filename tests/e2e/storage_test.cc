// Blobs: how long they stay, what a full disk and a damaged one do, backups.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/lib/names.h"
#include "client/lib/uploader.h"
#include "gmock/gmock.h"
#include "google/protobuf/empty.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/small_disk.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string DigestOf(const std::string& blob) { return client::LastSegment(blob); }

std::string PathOf(const ServerProcess& server, const std::string& blob) {
  return absl::StrCat(server.data_folder(), "/blobs/", DigestOf(blob).substr(0, 2), "/",
                      DigestOf(blob));
}

void FlipABit(const std::string& path) {
  fs::permissions(path, fs::perms::owner_all);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const int first = file.get();
  file.seekp(0);
  file.put(static_cast<char>(first ^ 1));
}

// Long enough ago for every grace time.
void MakeOld(const std::string& path) {
  const timespec then = absl::ToTimespec(absl::Now() - absl::Hours(1000));
  const timespec times[] = {then, then};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

// Reads the whole blob, or what comes of it.
absl::Status ReadAll(ApiClient& api, const std::string& blob, std::string& bytes) {
  grpc::ClientContext context;
  v1::ReadBlobRequest request;
  request.set_name(blob);
  auto reader = api.connection().artifacts().ReadBlob(&context, request);
  v1::ReadBlobResponse chunk;
  while (reader->Read(&chunk)) bytes += chunk.data();
  return client::FromGrpc(reader->Finish());
}

google::rpc::ErrorInfo InfoOf(const absl::Status& error) {
  const auto payload = error.GetPayload("type.googleapis.com/google.rpc.Status");
  google::rpc::Status status;
  EXPECT_TRUE(payload.has_value() && status.ParseFromString(std::string(*payload)));
  google::rpc::ErrorInfo info;
  for (const google::protobuf::Any& detail : status.details()) detail.UnpackTo(&info);
  return info;
}

int64_t FilesIn(const std::string& folder) {
  int64_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    files += entry.is_regular_file();
  return files;
}

TEST(StorageTest, DeletedJobsGiveTheDiskBack) {
  ServerProcess server(/*slots=*/0, {"--gc-interval=20ms", "--gc-grace-period=1000h"});
  ApiClient api(server);
  const std::string kept = api.Upload(ImageDataset({}, true));
  const absl::StatusOr<v1::Job> keeper = api.Create(TrainingSpec(kept));
  ASSERT_TRUE(keeper.ok());
  std::vector<std::string> jobs, blobs;
  for (int i = 0; i < 20; ++i) {
    blobs.push_back(api.Upload(RandomBytes(100'000, static_cast<uint64_t>(i))));
    const absl::StatusOr<v1::Job> job = api.Create(TrainingSpec(blobs.back()));
    ASSERT_TRUE(job.ok()) << job.status();
    jobs.push_back(job->name());
  }
  const std::string pinned = api.Upload(RandomBytes(1000, 100));
  ChildProcess pin({ACCLIMATE_CLI, "--server", server.address(), "blobs", "pin", pinned},
                   server.data_folder() + "/../pin");
  ASSERT_EQ(pin.Wait(), 0) << pin.Stderr();
  EXPECT_THAT(pin.Stdout(), HasSubstr("  pinned"));
  for (const std::string& job : jobs) {
    ASSERT_TRUE(api.Cancel(job).ok());
    EXPECT_TRUE(api.Delete(job).ok());
  }
  for (const std::string& blob : blobs) MakeOld(PathOf(server, blob));
  for (const std::string& blob : {kept, pinned}) MakeOld(PathOf(server, blob));
  EXPECT_TRUE(WaitUntil([&] { return FilesIn(server.data_folder() + "/blobs") == 2; }));
  EXPECT_TRUE(api.HasBlob(kept));
  EXPECT_TRUE(api.HasBlob(pinned));
  EXPECT_TRUE(WaitUntil([&] { return FilesIn(server.data_folder() + "/uploads") == 2; }))
      << "what is known of a complete upload goes with its blob";

  const absl::Status gone = api.Create(TrainingSpec(blobs[0])).status();
  EXPECT_TRUE(absl::IsNotFound(gone)) << gone;
}

// The collector knows no grace and never rests for long: a job that was taken has its blob.
TEST(StorageTest, AJobThatIsCreatedKeepsItsBlob) {
  ServerProcess server(/*slots=*/0, {"--gc-interval=1ms", "--gc-grace-period=0s"});
  std::atomic<int> created{0}, refused{0};
  std::vector<std::thread> clients;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    clients.emplace_back([&, seed] {
      ApiClient api(server);
      const std::string bytes = RandomBytes(1000, seed);
      for (int i = 0; i < 100; ++i) {
        const std::string blob = api.Upload(bytes);
        const absl::StatusOr<v1::Job> job = api.Create(TrainingSpec(blob));
        if (!job.ok()) {
          EXPECT_TRUE(absl::IsNotFound(job.status())) << job.status();
          ++refused;
          continue;
        }
        ++created;
        EXPECT_TRUE(api.HasBlob(blob));
        std::string read;
        EXPECT_TRUE(ReadAll(api, blob, read).ok());
        EXPECT_EQ(read, bytes);
        EXPECT_TRUE(api.Cancel(job->name()).ok());
        EXPECT_TRUE(api.Delete(job->name()).ok());
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_GT(created, 0);
  RecordProperty("refused", refused);
}

TEST(StorageTest, AFullDiskRefusesNewWorkAlone) {
  const TemporaryFolder folder;
  const std::string config = folder.File("config");
  WriteFile(config, "disk-watermark = 1\nmin-free-disk-bytes = 0\n");
  ServerProcess server(/*slots=*/0, {"--config=" + config});
  std::string blob, job;
  {
    ApiClient api(server);
    blob = api.Upload(ImageDataset({}, true));
    job = api.Create(TrainingSpec(blob), "once")->name();
  }
  server.Stop();
  WriteFile(config, "disk-watermark = 0.000001\n");
  server.Start();

  ApiClient api(server);
  const auto full = AllOf(HasSubstr(server.data_folder()), HasSubstr("bytes are used"));
  const absl::Status refused = api.Create(TrainingSpec(blob)).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), full);
  const auto again = api.Create(TrainingSpec(blob), "once");
  ASSERT_TRUE(again.ok()) << "a retry of what was acknowledged needs no room: " << again.status();
  EXPECT_EQ(again->name(), job);
  const std::string path = folder.File("new");
  WriteFile(path, RandomBytes(1000, 1));
  const absl::Status upload = client::Uploader(api.connection()).Upload({path}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(upload)) << upload;
  EXPECT_THAT(std::string(upload.message()), full);

  EXPECT_EQ(api.Download(blob), ImageDataset({}, true));
  EXPECT_TRUE(api.Serving());
  EXPECT_TRUE(api.Cancel(job).ok());
  EXPECT_TRUE(api.Delete(job).ok());
  EXPECT_TRUE(api.List().empty());
}

// A disk of its own, filled to the last byte by somebody else.
TEST(StorageTest, JobsAreCancelledAndDeletedOnADiskWithoutAFreeByte) {
  ServerProcess server(/*slots=*/0, {"--min-free-disk-bytes=0", "--gc-interval=20ms"});
  server.Stop();
  const SmallDisk disk(server.data_folder(), /*mebibytes=*/64);
  if (!disk.mounted()) GTEST_SKIP() << "mounts need privileges";
  server.Start();
  const std::string filler = server.data_folder() + "/filler";
  {
    ApiClient api(server);
    const std::string blob = api.Upload(ImageDataset({}, true));
    std::vector<std::string> jobs;
    for (int i = 0; i < 20; ++i) jobs.push_back(api.Create(TrainingSpec(blob))->name());
    std::ofstream file(filler, std::ios::binary);
    while (file << std::string(4096, 'x') << std::flush) {
    }
    file.close();
    EXPECT_EQ(fs::space(server.data_folder()).available, 0u);
    EXPECT_TRUE(absl::IsResourceExhausted(api.Create(TrainingSpec(blob)).status()));
    for (const std::string& job : jobs) {
      EXPECT_TRUE(api.Cancel(job).ok());
      EXPECT_TRUE(api.Delete(job).ok());
    }
    EXPECT_EQ(api.Download(blob), ImageDataset({}, true));
    fs::remove(filler);
    EXPECT_TRUE(WaitUntil([&] { return fs::exists(server.data_folder() + "/reserve"); }))
        << "it is taken again";
    EXPECT_TRUE(api.Create(TrainingSpec(blob)).ok());
  }
}

TEST(StorageTest, DamagedBytesAreNotServedAndTheRightOnesHeal) {
  ServerProcess server(/*slots=*/1);
  ApiClient api(server);
  const std::string bytes = ImageDataset({}, true);
  std::vector<std::string> blobs = {api.Upload(bytes)};
  for (uint64_t seed = 0; seed < 20; ++seed) blobs.push_back(api.Upload(RandomBytes(3000, seed)));
  for (const std::string& blob : blobs) FlipABit(PathOf(server, blob));

  for (const std::string& blob : blobs) {
    std::string read;
    const absl::Status status = ReadAll(api, blob, read);
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_EQ(read, "");
    const google::rpc::ErrorInfo info = InfoOf(status);
    EXPECT_EQ(info.reason(), "BLOB_DAMAGED");
    ASSERT_EQ(info.metadata().count("sha256") + info.metadata().count("offset"), 2u);
    EXPECT_EQ(info.metadata().at("sha256"), DigestOf(blob));
    EXPECT_EQ(info.metadata().at("offset"), "0");
    EXPECT_TRUE(fs::exists(server.data_folder() + "/quarantine/" + DigestOf(blob)));
  }
  EXPECT_TRUE(absl::IsNotFound(api.Create(TrainingSpec(blobs[0])).status()));

  EXPECT_EQ(api.Upload(bytes), blobs[0]);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(api.Upload(RandomBytes(3000, seed)), blobs[seed + 1]);
    EXPECT_EQ(api.Download(blobs[seed + 1]), RandomBytes(3000, seed));
  }
  EXPECT_EQ(FilesIn(server.data_folder() + "/quarantine"), 0);
  const absl::StatusOr<v1::Job> job = api.Create(TrainingSpec(blobs[0], 1));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(api.WaitForEnd(job->name()).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST(StorageTest, AWorkerGetsNoDamagedBytes) {
  ServerProcess server(/*slots=*/1);
  ApiClient api(server);
  const std::string data = api.Upload(ImageDataset({}, true));
  FlipABit(PathOf(server, data));
  const absl::StatusOr<v1::Job> job = api.Create(TrainingSpec(data, 1));
  ASSERT_TRUE(job.ok()) << job.status();
  const v1::Job ended = api.WaitForEnd(job->name());
  EXPECT_EQ(ended.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(ended.error().code(), static_cast<int>(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ended.error().message(), HasSubstr(DigestOf(data)));
}

TEST(StorageTest, TheScrubberFindsDamageThatNobodyReads) {
  ServerProcess server(/*slots=*/0, {"--scrub-interval=50ms"});
  ApiClient api(server);
  const std::string blob = api.Upload(RandomBytes(3000, 1));
  FlipABit(PathOf(server, blob));
  // Said once it is done.
  EXPECT_TRUE(
      WaitUntil([&] { return absl::StrContains(server.log(), "a blob is damaged: quarantined"); }));
  EXPECT_TRUE(fs::exists(server.data_folder() + "/quarantine/" + DigestOf(blob)));
}

class CommandTest : public testing::Test {
 protected:
  // The exit code of `acclimated <arguments>`.
  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), ACCLIMATED);
    ChildProcess program(arguments, folder_.File("program"));
    const int code = program.Wait().value_or(-1);
    output_ = program.Stdout() + program.Stderr();
    return code;
  }

  const TemporaryFolder folder_;
  std::string output_;
};

TEST_F(CommandTest, ABackupOfARunningServerIsRestored) {
  ServerProcess server(/*slots=*/1);
  ApiClient api(server);
  const std::string data = api.Upload(ImageDataset({}, true));
  const std::string job = api.Create(TrainingSpec(data, 1))->name();
  const v1::Job before = api.WaitForEnd(job);
  ASSERT_EQ(before.state(), v1::JOB_STATE_SUCCEEDED);
  const std::string data_dir = "--data-dir=" + server.data_folder();
  const std::string backup = folder_.File("backup"), restored = folder_.File("restored");
  ASSERT_EQ(Run({"backup", backup, data_dir}), 0) << output_;
  ASSERT_EQ(Run({"restore", backup, "--data-dir=" + restored}), 0) << output_;
  EXPECT_EQ(Run({"fsck", "--data-dir=" + restored}), 0) << output_;
  EXPECT_THAT(output_, HasSubstr(", 0 problems"));
  EXPECT_EQ(Run({"fsck", data_dir}), 0) << output_;

  // In the place of the old one.
  server.Stop();
  fs::remove_all(server.data_folder());
  ASSERT_EQ(Run({"restore", backup, data_dir}), 0) << output_;
  server.Start();
  ApiClient again(server);
  EXPECT_EQ(Bytes(*again.Get(job)), Bytes(before));
  EXPECT_EQ(again.Download(data), ImageDataset({}, true));
  for (const v1::OutputFile& file : before.result().files()) again.Download(file.blob());
}

TEST_F(CommandTest, FsckNamesWhatIsDamaged) {
  ServerProcess server(/*slots=*/0);
  ApiClient api(server);
  const std::string blob = api.Upload(RandomBytes(3000, 1));
  FlipABit(PathOf(server, blob));
  EXPECT_EQ(Run({"fsck", "--data-dir=" + server.data_folder()}), 1) << output_;
  EXPECT_THAT(output_, AllOf(HasSubstr(blob + " is damaged"), HasSubstr(", 1 problems")));
}

TEST_F(CommandTest, GarbageIsCollectedWhereNoServerRuns) {
  ServerProcess server(/*slots=*/0);
  ApiClient(server).Upload(RandomBytes(3000, 1));
  const std::vector<std::string> command = {"gc", "--data-dir=" + server.data_folder(),
                                            "--gc-grace-period=0s"};
  EXPECT_EQ(Run(command), 1);
  EXPECT_THAT(output_, AllOf(HasSubstr("in use by another server"), HasSubstr("--gc-interval")));
  EXPECT_EQ(FilesIn(server.data_folder() + "/blobs"), 1);
  server.Stop();
  EXPECT_EQ(Run(command), 0) << output_;
  EXPECT_EQ(output_, "1 blobs removed, 3000 bytes\n");
  EXPECT_EQ(FilesIn(server.data_folder() + "/blobs"), 0);
  EXPECT_EQ(FilesIn(server.data_folder() + "/uploads"), 0);
}

TEST_F(CommandTest, WrongUsageIsToldApart) {
  EXPECT_EQ(Run({"backup"}), 2);
  EXPECT_EQ(Run({"backup", "--data-dir=" + folder_.path()}), 2);
  EXPECT_EQ(Run({"fsck"}), 2);
  EXPECT_EQ(Run({"fsck", "--data-dir=" + folder_.path()}), 1) << "there is no job store";
}

}  // namespace
}  // namespace acclimate::e2e
