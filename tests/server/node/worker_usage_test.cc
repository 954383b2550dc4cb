#include "server/node/worker_usage.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::node {
namespace {

using ::testing::HasSubstr;

class WorkerUsageTest : public testing::Test {
 protected:
  std::string Exceeded(const UsageLimits& limits) {
    return ExceededLimit(getpid(), folder_.path(), limits);
  }

  const TemporaryFolder folder_;
};

TEST_F(WorkerUsageTest, WithoutLimitsNothingIsExceeded) {
  std::ofstream(folder_.File("file")) << std::string(1 << 20, 'x');
  EXPECT_EQ(Exceeded({}), "");
}

TEST_F(WorkerUsageTest, ThreadsAreCounted) {
  absl::Notification end;
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) threads.emplace_back([&end] { end.WaitForNotification(); });
  EXPECT_EQ(Exceeded({.threads = 6}), "");
  EXPECT_THAT(Exceeded({.threads = 5}), HasSubstr("6 threads; it may use 5 (--job-thread-limit)"));
  end.Notify();
  for (std::thread& thread : threads) thread.join();
}

TEST_F(WorkerUsageTest, FilesOfAllFoldersCount) {
  std::filesystem::create_directories(folder_.File("a/b"));
  for (const char* file : {"one", "a/two", "a/b/three"}) {
    std::ofstream(folder_.File(file)) << std::string(1 << 20, 'x');
  }
  EXPECT_EQ(Exceeded({.scratch_bytes = 4 << 20}), "");
  EXPECT_THAT(Exceeded({.scratch_bytes = 2 << 20}), HasSubstr("--job-scratch-limit"));
}

TEST_F(WorkerUsageTest, AHoleIsNotCounted) {
  std::ofstream(folder_.File("sparse")) << "x";
  std::filesystem::resize_file(folder_.File("sparse"), int64_t{1} << 40);
  EXPECT_EQ(Exceeded({.scratch_bytes = 1 << 20}), "");
}

TEST_F(WorkerUsageTest, SoManyFilesAreTooMany) {
  for (int i = 0; i <= 10'000; ++i) std::ofstream(folder_.File(absl::StrCat(i)));
  EXPECT_THAT(Exceeded({.scratch_bytes = 1 << 30}), HasSubstr("more than 10000 files"));
}

TEST_F(WorkerUsageTest, AProcessThatHasGoneExceedsNothing) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(ExceededLimit(child, "/no/such/folder", {.threads = 1, .scratch_bytes = 1}), "");
}

TEST(AnonymousMemoryTest, GrowsWithWhatIsWritten) {
  constexpr size_t kBytes = size_t{64} << 20;
  const int64_t before = AnonymousMemoryBytes(getpid());
  EXPECT_GT(before, 0);
  // Written to, so that it is there.
  const std::vector<char> memory(kBytes, 'x');
  EXPECT_GE(AnonymousMemoryBytes(getpid()), before + static_cast<int64_t>(kBytes / 2));
  EXPECT_EQ(memory[kBytes / 2], 'x');
}

TEST(AnonymousMemoryTest, AProcessThatHasGoneHasNone) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(AnonymousMemoryBytes(child), 0);
}

}  // namespace
}  // namespace acclimate::node
