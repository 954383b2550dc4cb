#include "server/artifacts/sha256.h"

#include <fcntl.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "server/artifacts/file_system.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::artifacts {
namespace {

// FIPS 180-4's examples.
constexpr char kOfNothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kOfAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kOfMillionA[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256Test, KnownVectors) {
  EXPECT_EQ(Sha256Of(""), kOfNothing);
  EXPECT_EQ(Sha256Of("abc"), kOfAbc);
  EXPECT_EQ(Sha256Of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Of(std::string(1000000, 'a')), kOfMillionA);
}

TEST(Sha256Test, PiecesMakeTheWhole) {
  Sha256 hash;
  hash.Update("a");
  hash.Update("");
  hash.Update("bc");
  EXPECT_EQ(hash.Finish(), kOfAbc);
}

TEST(Sha256Test, AFileIsHashedFromItsBeginningToTheGivenSize) {
  const TemporaryFolder folder;
  // Longer than one read.
  const std::string path = folder.Write("file", std::string(2 << 20, 'a') + "tail");
  auto file = OpenFile(path, O_RDONLY);
  ASSERT_TRUE(file.ok());
  lseek(file->get(), 10, SEEK_SET);
  Sha256 whole, part;
  ASSERT_TRUE(HashFile(file->get(), (2 << 20) + 4, whole).ok());
  EXPECT_EQ(whole.Finish(), Sha256Of(std::string(2 << 20, 'a') + "tail"));
  ASSERT_TRUE(HashFile(file->get(), 1000000, part).ok());
  EXPECT_EQ(part.Finish(), kOfMillionA);
}

TEST(Sha256Test, AFileThatIsTooShortIsDataLoss) {
  const TemporaryFolder folder;
  auto file = OpenFile(folder.Write("file", "abc"), O_RDONLY);
  Sha256 hash;
  EXPECT_TRUE(absl::IsDataLoss(HashFile(file->get(), 4, hash)));
}

}  // namespace
}  // namespace acclimate::artifacts
