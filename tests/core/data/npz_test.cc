#include "core/data/npz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/data/dataset_files.h"

namespace acclimate::data {
namespace {

using ::testing::HasSubstr;

const at::Tensor& Values() {
  static const at::Tensor values = at::arange(600).view({30, 20}).to(at::kFloat);
  return values;
}

std::string Archive(bool deflate) {
  return Zip({{"inputs.npy", NpyOf(Values(), "<f4"), deflate},
              {"labels.npy", NpyOf(at::arange(30), "<i8"), deflate},
              {"other.npy", "not even npy", false}});
}

TEST(NpzTest, ReadsStoredAndDeflatedMembers) {
  for (bool deflate : {false, true}) {
    absl::StatusOr<io::TensorFile> read = ReadNpz(FileOf(Archive(deflate)));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->tensors.size(), 2u);
    EXPECT_TRUE(at::equal(read->tensors.at("inputs"), Values()));
    EXPECT_TRUE(at::equal(read->tensors.at("labels"), at::arange(30)));
  }
}

TEST(NpzTest, RefusesDamageAndSaysWhere) {
  std::string stored = Archive(false), deflated = Archive(true);
  size_t directory = stored.find("PK\1\2");
  auto with = [](std::string bytes, size_t at, uint64_t value, int width) {
    return bytes.replace(at, width, LittleEndian(value, width));
  };
  auto flipped = [](std::string bytes, size_t at) {
    bytes[at] ^= 0x10;
    return bytes;
  };
  struct {
    std::string bytes, message;
  } cases[] = {
      {stored.substr(0, stored.size() / 2), "truncated"},
      {flipped(stored, 1000), "inputs.npy: damaged, its CRC-32 does not match"},
      {flipped(deflated, 200), "inputs.npy"},
      {with(stored, directory + 8, 1, 2), "inputs.npy: is encrypted"},
      {with(stored, directory + 10, 12, 2), "inputs.npy: unknown zip compression 12"},
      {with(stored, directory + 20, 0xFFFFFFFF, 4), "zip64"},
      {with(stored, directory + 24, 5000, 4), "inputs.npy: claims 5000 bytes from 2528"},
      {with(with(stored, directory + 24, 4000000, 4), directory + 20, 4000000, 4),
       "inputs.npy: claims 4000000 bytes at byte"},
      {with(deflated, deflated.find("PK\1\2") + 24, 0xFFFFFFF0, 4),
       "inputs.npy: claims 4294967280 bytes from"},
      {with(stored, directory + 42, 77, 4), "inputs.npy: no zip member at byte 77"},
      {with(stored, directory, 0, 4), "no directory entry at byte"},
      {with(stored, stored.size() - 6, 0xFFFFFFFF, 4), "zip64"},
      {with(stored, stored.size() - 6, 0x7FFFFFFF, 4), "leaves the archive"},
      {Zip({{"inputs.npy", NpyOf(Values(), "<f4")}, {"inputs.npy", NpyOf(Values(), "<f4")}}),
       "inputs.npy: is there twice"},
      {Zip({{"inputs.npy", "not npy"}}), "inputs.npy: is not an npy array"},
  };
  for (const auto& [bytes, message] : cases) {
    absl::Status status = ReadNpz(FileOf(bytes)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST(NpzTest, EveryTruncationIsAnErrorAndNotACrash) {
  std::string good = Archive(true);
  for (size_t size = 0; size < good.size(); size += 7) {
    EXPECT_FALSE(ReadNpz(FileOf(good.substr(0, size))).ok()) << size;
  }
}

TEST(NpzTest, NoFlippedByteCrashes) {
  std::string good = Zip({{"inputs.npy", NpyOf(at::zeros({2, 2}), "<f4"), true}});
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit : {0x01, 0x80, 0xFF}) {
      std::string damaged = good;
      damaged[i] = static_cast<char>(damaged[i] ^ bit);
      absl::StatusOr<io::TensorFile> read = ReadNpz(FileOf(damaged));
      if (read.ok() && read->tensors.count("inputs")) {
        EXPECT_TRUE(at::equal(read->tensors.at("inputs"), at::zeros({2, 2}))) << i;
      }
    }
  }
}

}  // namespace
}  // namespace acclimate::data
