#include "server/artifacts/disk_watermark.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/errors.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::artifacts {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

DiskWatermark WithFree(int64_t free_bytes, DiskLimits limits) {
  return DiskWatermark("/data", limits, [free_bytes](const std::string&) {
    return DiskUsage{1000, free_bytes};
  });
}

TEST(DiskWatermarkTest, NewWorkFillsTheDiskUpToTheMark) {
  const DiskWatermark disk = WithFree(200, {0.9, 0});
  EXPECT_TRUE(disk.CheckRoom("the upload", 0).ok());
  EXPECT_TRUE(disk.CheckRoom("the upload", 100).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(disk.CheckRoom("the upload", 101)));
}

TEST(DiskWatermarkTest, AtTheMarkNothingFits) {
  const DiskWatermark disk = WithFree(100, {0.9, 0});
  EXPECT_TRUE(absl::IsResourceExhausted(disk.CheckRoom("a job", 0)));
}

TEST(DiskWatermarkTest, SomeBytesStayFreeWhateverTheMark) {
  const DiskWatermark disk = WithFree(200, {1.0, 150});
  EXPECT_TRUE(disk.CheckRoom("the upload", 50).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(disk.CheckRoom("the upload", 51)));
}

TEST(DiskWatermarkTest, TheErrorNamesPathAndFigures) {
  const absl::Status status = WithFree(60, {0.9, 10}).CheckRoom("the upload", 7);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("/data"), HasSubstr("the upload needs 7 bytes"), HasSubstr("940 of 1000"),
            HasSubstr("94.0 %"), HasSubstr("90.0 %"), HasSubstr("10 bytes free")));
  EXPECT_EQ(ReasonOf(status), "DISK_FULL");
}

TEST(DiskWatermarkTest, ReadsARealDisk) {
  const TemporaryFolder folder;
  EXPECT_TRUE(DiskWatermark(folder.path(), {1.0, 0}).CheckRoom("the upload", 1).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(
      DiskWatermark(folder.path(), {1e-9, 0}).CheckRoom("the upload", 1)));
  EXPECT_FALSE(DiskWatermark(folder.File("none"), {1.0, 0}).CheckRoom("the upload", 1).ok());
}

}  // namespace
}  // namespace acclimate::artifacts
