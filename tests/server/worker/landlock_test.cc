// What a confined process can open, in a process of its own.
#include "server/worker/landlock.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::worker {
namespace {

constexpr int kOpened = 0;
constexpr int kRefused = 1;
constexpr int kNoLandlock = 2;

// Ends this process by what happened.
[[noreturn]] void Open(const std::string& scratch, bool gpu, const char* path, int flags) {
  const absl::Status status = RestrictFileAccess(scratch, gpu);
  if (!status.ok()) _exit(kNoLandlock);
  _exit(open(path, flags | O_CLOEXEC) >= 0 ? kOpened : kRefused);
}

class LandlockTest : public testing::Test {
 protected:
  void SetUp() override {
    // The statement runs in a child, and its exit status comes back as a test would see it.
    EXPECT_EXIT(
        Open(scratch_.path(), false, "/dev/null", O_RDWR),
        [this](int status) {
          there_ = WIFEXITED(status) && WEXITSTATUS(status) == kOpened;
          return true;
        },
        "");
    if (!there_) GTEST_SKIP() << "this kernel has no landlock";
  }
  const TemporaryFolder scratch_;
  bool there_ = false;
};

TEST_F(LandlockTest, OnlyScratchIsWritten) {
  const std::string inside = scratch_.Write("file", "x"), outside = "/etc/hostname";
  EXPECT_EXIT(Open(scratch_.path(), false, inside.c_str(), O_RDWR),
              testing::ExitedWithCode(kOpened), "");
  for (bool gpu : {false, true}) {
    EXPECT_EXIT(Open(scratch_.path(), gpu, outside.c_str(), O_RDONLY),
                testing::ExitedWithCode(kRefused), "");
  }
}

TEST_F(LandlockTest, WhatOnlyCudaNeedsIsOpenedWithAGpuOnly) {
  for (const char* path : {"/proc/devices", "/proc/sys/vm/mmap_min_addr"}) {
    EXPECT_EXIT(Open(scratch_.path(), false, path, O_RDONLY), testing::ExitedWithCode(kRefused),
                "");
    EXPECT_EXIT(Open(scratch_.path(), true, path, O_RDONLY), testing::ExitedWithCode(kOpened), "");
  }
}

TEST_F(LandlockTest, AGpuOpensNoOtherDevice) {
  EXPECT_EXIT(Open(scratch_.path(), true, "/dev/full", O_RDWR), testing::ExitedWithCode(kRefused),
              "");
  EXPECT_EXIT(Open(scratch_.path(), true, "/dev", O_RDONLY | O_DIRECTORY),
              testing::ExitedWithCode(kOpened), "");
}

}  // namespace
}  // namespace acclimate::worker
