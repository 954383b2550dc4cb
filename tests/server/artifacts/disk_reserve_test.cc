#include "server/artifacts/disk_reserve.h"

#include <sys/stat.h>

#include <filesystem>

#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::artifacts {
namespace {

constexpr int64_t kBytes = 1 << 20;

int64_t DiskBytesOf(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_blocks * 512 : 0;
}

TEST(DiskReserveTest, TakesTheSpaceAndGivesItBackOnce) {
  const TemporaryFolder folder;
  const std::string path = folder.File("reserve");
  DiskReserve reserve(path, kBytes);
  EXPECT_FALSE(reserve.Release()) << "it has none yet";
  ASSERT_TRUE(reserve.Fill());
  EXPECT_GE(DiskBytesOf(path), kBytes);
  EXPECT_TRUE(reserve.Fill());
  EXPECT_TRUE(reserve.Release());
  EXPECT_EQ(DiskBytesOf(path), 0);
  EXPECT_FALSE(reserve.Release());
}

TEST(DiskReserveTest, WhatAnEarlierProcessHasTakenIsTaken) {
  const TemporaryFolder folder;
  ASSERT_TRUE(DiskReserve(folder.File("reserve"), kBytes).Fill());
  EXPECT_TRUE(DiskReserve(folder.File("reserve"), kBytes).Release());
}

TEST(DiskReserveTest, ADiskWithoutRoomKeepsNothing) {
  const TemporaryFolder folder;
  DiskReserve reserve(folder.File("reserve"), INT64_MAX / 2);
  EXPECT_FALSE(reserve.Fill());
  EXPECT_FALSE(std::filesystem::exists(folder.File("reserve")));
  EXPECT_FALSE(reserve.Release());
}

}  // namespace
}  // namespace acclimate::artifacts
