// The server as the first process of a container.
#include <signal.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/base/process_stat.h"
#include "tests/e2e/child_process.h"

namespace acclimate::e2e {
namespace {

constexpr size_t kParent = 4;  // of ProcessStat's fields

int ChildrenOf(pid_t parent) {
  int children = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    const std::optional<ProcessStat> stat = ProcessStat::Read(absl::StrCat(pid));
    children += stat.has_value() && stat->Number(kParent) == parent;
  }
  return children;
}

class InitTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("unshare --pid --fork true 2>/dev/null") != 0) {
      GTEST_SKIP() << "no PID namespace for this user";
    }
    process_.emplace(
        std::vector<std::string>{"/usr/bin/unshare", "--pid", "--fork", "--kill-child", ACCLIMATED,
                                 "serve", "--data-dir=" + folder_.File("data"),
                                 "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0",
                                 "--slots=0"},
        folder_.File("server"));
    ASSERT_TRUE(WaitUntil([&] {
      return std::filesystem::exists(folder_.File("data/endpoint.json")) || !process_->Running();
    })) << process_->Stderr();
    const std::vector<pid_t> first = ChildrenNamed(process_->pid(), "acclimated");
    ASSERT_EQ(first.size(), 1u) << process_->Stderr();
    init_ = first[0];
  }

  const TemporaryFolder folder_;
  std::optional<ChildProcess> process_;
  pid_t init_ = 0;
};

TEST_F(InitTest, StopsTheServerAndHasItsExitCode) {
  EXPECT_EQ(ChildrenNamed(init_, "acclimated").size(), 1u);
  ASSERT_EQ(kill(init_, SIGTERM), 0);
  EXPECT_EQ(process_->Wait(), 0) << process_->Stderr();
}

TEST_F(InitTest, EndsWithAServerThatWasKilled) {
  const std::vector<pid_t> server = ChildrenNamed(init_, "acclimated");
  ASSERT_EQ(server.size(), 1u);
  ASSERT_EQ(kill(server[0], SIGKILL), 0);
  EXPECT_EQ(process_->Wait(), 128 + SIGKILL);
}

TEST_F(InitTest, BuriesWhatOthersLeave) {
  const std::string leave = absl::StrCat("nsenter --target ", init_,
                                         " --pid sh -c 'for i in 1 2 3; do (sleep 0.$i &) ; done'");
  ASSERT_EQ(std::system(leave.c_str()), 0);
  EXPECT_TRUE(WaitUntil([&] { return ChildrenOf(init_) == 1; })) << ChildrenOf(init_);
  EXPECT_TRUE(process_->Running());
}

}  // namespace
}  // namespace acclimate::e2e
