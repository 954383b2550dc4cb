// A disk that is full at one write or another: work is refused or tried again, reads go on, and all
// of it recovers without a restart.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/lib/names.h"
#include "client/lib/uploader.h"
#include "gtest/gtest.h"
#include "tests/e2e/api_client.h"
#include "tests/e2e/small_disk.h"
#include "tests/e2e/test_data.h"
#include "tests/reliability/attempt_order.h"
#include "tests/reliability/blob_bytes.h"
#include "tests/reliability/event_log.h"
#include "tests/reliability/health_probe.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

using e2e::ApiClient;
using e2e::ServerProcess;
using e2e::WaitUntil;

constexpr int64_t kMebibytes = 96, kPageBytes = 4096;

// An attempt has ended for want of room; or the job had ended before the disk was full.
bool FoundNoRoom(const v1::Job& job) {
  return client::HasEnded(job.state()) ||
         std::any_of(job.attempts().begin(), job.attempts().end(), [](const v1::Attempt& one) {
           return one.cause() == v1::ATTEMPT_CAUSE_DISK_FULL;
         });
}

class DiskFullTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.Stop();
    disk_ = std::make_unique<e2e::SmallDisk>(server_.data_folder(), kMebibytes);
    if (!disk_->mounted()) GTEST_SKIP() << "mounts need privileges";
    server_.Start();
    api_ = std::make_unique<ApiClient>(server_);
    bytes_ = e2e::ImageDataset({}, true);
    data_ = api_->Upload(bytes_);
    straight_ = api_->WaitForEnd(Submit());
    ASSERT_EQ(straight_.state(), v1::JOB_STATE_SUCCEEDED) << straight_.DebugString();
  }
  void TearDown() override {
    api_.reset();
    server_.Stop();  // before its disk goes
  }

  std::string Submit() {
    const absl::StatusOr<v1::Job> job = api_->Create(e2e::TrainingSpec(data_, 40));
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->name() : "";
  }

  // All that is written for a client: it works, or there is no room for it.
  void ExpectDoneOrRefused(const absl::Status& status) {
    EXPECT_TRUE(status.ok() || absl::IsResourceExhausted(status)) << status;
    (status.ok() ? done_ : refused_) += 1;
  }

  void WriteAll(std::mt19937_64& random) {
    const e2e::TemporaryFolder folder;
    e2e::WriteFile(folder.File("new"), e2e::RandomBytes(200'000, random()));
    ExpectDoneOrRefused(client::Uploader(api_->connection()).Upload({folder.File("new")}).status());
    v1::JobSpec spec = e2e::TrainingSpec(data_);
    spec.set_priority(-1);  // behind the one that is watched
    const absl::StatusOr<v1::Job> job = api_->Create(spec);
    ExpectDoneOrRefused(job.status());
    if (!job.ok()) return;
    ExpectDoneOrRefused(api_->Pause(job->name()).status());
    // The disk's reserve is for this.
    EXPECT_TRUE(api_->Cancel(job->name()).ok());
  }

  void ReadAll() {
    const absl::StatusOr<std::string> read = ReadBlob(api_->connection(), data_);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == bytes_);
    EXPECT_FALSE(api_->List().empty());
    ExpectResultReadable(api_->connection(), straight_);
    EXPECT_EQ(e2e::Bytes(*api_->Get(straight_.name())), e2e::Bytes(straight_));
  }

  ServerProcess server_{
      /*slots=*/1,
      {"--min-free-disk-bytes=0", "--disk-watermark=1", "--gc-interval=20ms",
       "--gc-grace-period=1s", "--checkpoint-interval=50ms", "--max-retries=1000"}};
  std::unique_ptr<e2e::SmallDisk> disk_;
  std::unique_ptr<ApiClient> api_;
  std::string bytes_, data_;
  v1::Job straight_;
  int64_t done_ = 0, refused_ = 0;
};

TEST_F(DiskFullTest, AtEveryWrite) {
  std::mt19937_64 random = RandomFor("disk");
  const HealthProbe health(server_);
  int64_t tried_again = 0;
  // From no free page to enough for all but the last write of a job.
  std::vector<int64_t> rooms = {0, 2, 16, 64, 256, 1024};  // pages
  const int64_t rounds = Count(static_cast<int64_t>(rooms.size()), 2000);
  for (int64_t i = 0; i < rounds; ++i) {
    const int64_t room = rooms[static_cast<size_t>(i) % rooms.size()] * kPageBytes;
    SCOPED_TRACE(absl::StrCat(room, " bytes free"));
    const std::string job = Submit();
    if (Draw(random, 1) == 0) api_->WaitForStep(job, 1 + Draw(random, 100));
    disk_->FillTo(room);
    // There is no room for the result, and perhaps not for the news of it: the first cancel gives
    // the disk's reserve back.
    if (room <= 16 * kPageBytes) {
      const size_t before = server_.log().size();
      EXPECT_TRUE(WaitUntil([&] {
        return FoundNoRoom(*api_->Get(job)) ||
               server_.log().find("an attempt could not be reported", before) != std::string::npos;
      }));
    }
    disk_->FillTo(room);  // the files of the attempt are gone
    WriteAll(random);
    ReadAll();
    disk_->Empty();
    const v1::Job ended = api_->WaitForEnd(job);
    EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.DebugString();
    EXPECT_EQ(ModelOf(ended), ModelOf(straight_));
    ExpectAttemptsInOrder(ended, ExpectWholeHistory(api_->connection(), ended, random(), 2));
    tried_again += ended.attempts_size() > 1 ? 1 : 0;
    // And all is taken again.
    api_->Upload(e2e::RandomBytes(100'000, random()));
    if (HasFailure()) break;
  }
  Report("full disks", absl::StrCat(rounds, "; writes: ", done_, " done, ", refused_, " refused; ",
                                    tried_again, " jobs tried again"));
  EXPECT_GT(refused_, 0);
  EXPECT_GT(tried_again, 0);
}

}  // namespace
}  // namespace acclimate::reliability
