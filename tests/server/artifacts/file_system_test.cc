#include "server/artifacts/file_system.h"

#include <cerrno>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/errors.h"

namespace acclimate::artifacts {
namespace {

using ::testing::HasSubstr;

absl::Status ErrorOf(int error) {
  errno = error;
  return FileError("write", "/data/file");
}

TEST(FileSystemTest, AFullDiskIsToldFromAllElse) {
  for (const int error : {ENOSPC, EDQUOT}) {
    EXPECT_TRUE(absl::IsResourceExhausted(ErrorOf(error))) << error;
    EXPECT_TRUE(IsDiskFull(ErrorOf(error))) << error;
  }
  for (const int error : {ENOMEM, EMFILE, ENFILE, EIO, EROFS, EACCES}) {
    EXPECT_TRUE(absl::IsUnavailable(ErrorOf(error))) << error;
    EXPECT_FALSE(IsDiskFull(ErrorOf(error))) << error;
  }
  EXPECT_TRUE(absl::IsNotFound(ErrorOf(ENOENT)));
  EXPECT_FALSE(IsDiskFull(absl::ResourceExhaustedError("out of memory")));
  EXPECT_FALSE(IsDiskFull(absl::OkStatus()));
}

TEST(FileSystemTest, TheErrorNamesTheFile) {
  EXPECT_THAT(std::string(ErrorOf(ENOSPC).message()), HasSubstr("/data/file"));
}

}  // namespace
}  // namespace acclimate::artifacts
