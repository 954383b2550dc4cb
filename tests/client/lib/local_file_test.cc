#include "client/lib/local_file.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::client {
namespace {

using ::testing::HasSubstr;

TEST(LocalFileTest, ReadsUpToTheEnd) {
  const TemporaryFolder folder;
  const auto file = LocalFile::OpenForReading(folder.Write("file", "0123456789"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*file->SizeBytes(), 10);
  std::string bytes;
  ASSERT_TRUE(file->ReadAt(7, 100, &bytes).ok());
  EXPECT_EQ(bytes, "789");
  ASSERT_TRUE(file->ReadAt(10, 100, &bytes).ok());
  EXPECT_EQ(bytes, "");
}

// A download goes on in the file that an earlier one has begun.
TEST(LocalFileTest, OpeningForWritingKeepsWhatIsThere) {
  const TemporaryFolder folder;
  folder.Write("file", "01234");
  auto file = LocalFile::OpenForWriting(folder.File("file"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*file->SizeBytes(), 5);
  ASSERT_TRUE(file->WriteAt(5, "56789").ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(folder.Read("file"), "0123456789");
  EXPECT_TRUE(LocalFile::OpenForWriting(folder.File("new")).ok());
}

TEST(LocalFileTest, AnErrorNamesThePath) {
  const TemporaryFolder folder;
  EXPECT_THAT(std::string(LocalFile::OpenForReading(folder.File("none")).status().message()),
              HasSubstr(folder.File("none")));
  EXPECT_TRUE(absl::IsInvalidArgument(LocalFile::OpenForReading(folder.path()).status()));
}

TEST(LocalFileTest, DigestsWholeFiles) {
  const TemporaryFolder folder;
  const auto digest = DigestFile(folder.Write("file", std::string(1000000, 'a')));
  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_EQ(digest->size_bytes, 1000000);
  EXPECT_EQ(digest->sha256, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(DigestFile(folder.Write("empty", ""))->sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  // A whole number of reads: the last one finds nothing.
  EXPECT_EQ(DigestFile(folder.Write("two", std::string(2 << 20, 'x')))->size_bytes, 2 << 20);
}

}  // namespace
}  // namespace acclimate::client
