#include "client/lib/packed_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/lib/local_file.h"

namespace acclimate::client {
namespace {

using ::testing::HasSubstr;

class PackedFolderTest : public testing::Test {
 protected:
  PackedFolderTest()
      : root_(std::filesystem::temp_directory_path() /
              absl::StrCat("packed_folder_test_", getpid())) {}
  ~PackedFolderTest() override { std::filesystem::remove_all(root_); }

  void WriteInto(const std::string& path, const std::string& bytes) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << bytes;
  }
  std::string Path(const std::string& path) const { return (root_ / path).string(); }

  static std::string Whole(const PackedFolder& folder) {
    std::string bytes;
    EXPECT_TRUE(folder.ReadAt(0, folder.size_bytes() + 10, &bytes).ok());
    return bytes;
  }

  const std::filesystem::path root_;
};

TEST_F(PackedFolderTest, TheSameFolderIsTheSameBytes) {
  const std::string big(3000, 'b');
  WriteInto("one/cat/b.jpg", "bb");
  WriteInto("one/cat/a.PNG", big);
  WriteInto("one/dog/c.webp", "");
  WriteInto("one/dog/notes.txt", "x");
  WriteInto("one/.hidden/d.jpg", "x");
  WriteInto("two/dog/c.webp", "");
  WriteInto("two/cat/a.PNG", big);
  WriteInto("two/cat/b.jpg", "bb");
  const absl::StatusOr<PackedFolder> one = PackedFolder::Open(Path("one"));
  const absl::StatusOr<PackedFolder> two = PackedFolder::Open(Path("two/"));
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ(one->pictures(), 3);
  EXPECT_EQ(one->left_out(), 1);
  const std::string bytes = Whole(*one);
  EXPECT_EQ(static_cast<int64_t>(bytes.size()), one->size_bytes());
  EXPECT_EQ(bytes.size(), 3 * 512 + 3072 + 512 + 1024u);
  EXPECT_EQ(bytes, Whole(*two));
  EXPECT_EQ(bytes.substr(0, 10), std::string("cat/a.PNG\0", 10));
  EXPECT_EQ(DigestFile(Path("one"))->sha256, DigestFile(Path("two"))->sha256);
  // In pieces of every size, as uploads that are resumed ask for them.
  for (const int64_t piece : {1, 511, 512, 700, 4000}) {
    std::string joined, part;
    for (int64_t at = 0; at < one->size_bytes(); at += piece) {
      ASSERT_TRUE(one->ReadAt(at, piece, &part).ok());
      joined += part;
    }
    EXPECT_EQ(joined, bytes) << piece;
  }
}

TEST_F(PackedFolderTest, ManyDeepAndStrangeNames) {
  WriteInto(absl::StrCat("long/", std::string(120, 'n'), "/", std::string(150, 'm'), ".jpg"), "x");
  WriteInto("long/t\xC3\xBCr/\xE2\x98\x83.jpg", "snow");
  const absl::StatusOr<PackedFolder> folder = PackedFolder::Open(Path("long"));
  ASSERT_TRUE(folder.ok()) << folder.status();
  const std::string bytes = Whole(*folder);
  EXPECT_EQ(static_cast<int64_t>(bytes.size()), folder->size_bytes());
  EXPECT_THAT(bytes, HasSubstr("t\xC3\xBCr/\xE2\x98\x83.jpg"));
  std::filesystem::create_directory_symlink(root_ / "long", root_ / "long/loop");
  EXPECT_THAT(std::string(PackedFolder::Open(Path("long")).status().message()),
              HasSubstr("more than 32 folders deep"));
}

TEST_F(PackedFolderTest, SaysWhatIsWrong) {
  WriteInto("empty/readme.txt", "x");
  EXPECT_THAT(std::string(PackedFolder::Open(Path("empty")).status().message()),
              HasSubstr("a folder without pictures"));
  WriteInto("shrinks/a.jpg", std::string(600, 'a'));
  const absl::StatusOr<PackedFolder> folder = PackedFolder::Open(Path("shrinks"));
  ASSERT_TRUE(folder.ok());
  WriteInto("shrinks/a.jpg", "a");
  std::string bytes;
  const absl::Status status = folder->ReadAt(0, folder->size_bytes(), &bytes);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("a.jpg: the file became shorter"));
}

}  // namespace
}  // namespace acclimate::client
