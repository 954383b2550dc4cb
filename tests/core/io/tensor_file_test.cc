#include "core/io/tensor_file.h"

#include <ATen/ATen.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace acclimate::io {
namespace {

using ::testing::HasSubstr;

class TensorFileTest : public ::testing::Test {
 protected:
  TensorFileTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "acclimate_io_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/file.safetensors";
  }
  ~TensorFileTest() override { std::filesystem::remove_all(folder_); }

  absl::StatusOr<TensorFile> Read() {
    auto file = MappedFile::Open(path_);
    if (!file.ok()) return file.status();
    return ReadSafetensors(*file);
  }
  void WriteBytes(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }
  // A file with this header, exactly as long as it says, before `body` zero bytes.
  std::string Refusal(const std::string& header, size_t body) {
    const uint64_t length = header.size();
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
    WriteBytes(bytes + header + std::string(body, '\0'));
    const auto result = Read();
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << header;
    return std::string(result.status().message());
  }

  std::string folder_;
  std::string path_;
};

TEST_F(TensorFileTest, GivesBackWhatWasWritten) {
  const std::map<std::string, at::Tensor> tensors = {
      {"a", at::randn({3, 4})},
      {"b.transposed", at::randn({5, 2}).t()},
      {"bytes", at::arange(7, at::kByte)},  // leaves what follows unaligned
      {"counter", at::tensor(int64_t{42})},
      {"empty", at::zeros({0, 3})},
      {"half", at::randn({3}).to(at::kHalf)}};
  ASSERT_TRUE(WriteSafetensors(path_, tensors, {{"key", "value"}}).ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".partial"));
  const auto read = Read();
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->metadata.at("key"), "value");
  ASSERT_EQ(read->tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor& other = read->tensors.at(name);
    EXPECT_EQ(other.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(other, tensor)) << name;
  }
}

TEST_F(TensorFileTest, PartByPartGivesTheSameBytes) {
  const at::Tensor rows = at::randn({5, 3}), empty = at::zeros({0, 2}), counts = at::arange(4);
  ASSERT_TRUE(
      WriteSafetensors(path_, {{"a", rows}, {"b", empty}, {"c", counts}}, {{"k", "v"}}).ok());
  std::ifstream whole(path_, std::ios::binary);
  const std::string expected{std::istreambuf_iterator<char>(whole), {}};
  auto writer = TensorFileWriter::Create(
      path_, {{"a", at::kFloat, {5, 3}}, {"b", at::kFloat, {0, 2}}, {"c", at::kLong, {4}}},
      {{"k", "v"}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE(writer->Append(rows.slice(0, 0, 2)).ok());
  EXPECT_EQ(writer->Append(counts).code(), absl::StatusCode::kInternal);  // not yet
  EXPECT_EQ(writer->Commit().code(), absl::StatusCode::kInternal);
  ASSERT_TRUE(writer->Append(rows.slice(0, 2)).ok());
  ASSERT_TRUE(writer->Append(counts).ok());
  EXPECT_EQ(writer->Append(counts).code(), absl::StatusCode::kInternal);  // too much
  ASSERT_TRUE(writer->Commit().ok());
  std::ifstream parts(path_, std::ios::binary);
  EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(parts), {}) == expected);
}

TEST_F(TensorFileTest, WritingToATensorLeavesTheFile) {
  ASSERT_TRUE(WriteSafetensors(path_, {{"a", at::ones({8})}}).ok());
  {
    const auto read = Read();
    ASSERT_TRUE(read.ok());
    at::Tensor(read->tensors.at("a")).fill_(2);
  }
  EXPECT_TRUE(at::equal(Read()->tensors.at("a"), at::ones({8})));
}

TEST_F(TensorFileTest, RefusesDamagedHeaders) {
  const auto tensor = [](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return absl::StrCat(R"({"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)",
                        offsets, "}");
  };
  EXPECT_THAT(Refusal(absl::StrCat(R"({"a":)", tensor("F32", "[2]", "[0,12]"), "}"), 8),
              HasSubstr("\"a\": data_offsets [0, 12] leave the 8 bytes"));
  EXPECT_THAT(Refusal(absl::StrCat(R"({"a":)", tensor("F32", "[3]", "[0,8]"), "}"), 8),
              HasSubstr("contradicts"));
  EXPECT_THAT(
      Refusal(absl::StrCat(R"({"a":)", tensor("F32", "[4611686018427387904,4]", "[0,0]"), "}"), 0),
      HasSubstr("contradicts"));
  EXPECT_THAT(Refusal(absl::StrCat(R"({"a":)", tensor("F32", "[2]", "[0,8]"), R"(,"b":)",
                                   tensor("F32", "[2]", "[4,12]"), "}"),
                      12),
              HasSubstr("\"b\" overlaps"));
  EXPECT_THAT(Refusal(absl::StrCat(R"({"a":)", tensor("F32", "[2]", "[0,8]"), R"(,"b":)",
                                   tensor("F32", "[2]", "[12,20]"), "}"),
                      20),
              HasSubstr("hole before tensor \"b\""));
  EXPECT_THAT(Refusal(absl::StrCat(R"({"a":)", tensor("F32", "[2]", "[0,8]"), "}"), 9),
              HasSubstr("belong to no tensor"));
  EXPECT_THAT(Refusal(absl::StrCat(R"({"a":)", tensor("F33", "[2]", "[0,8]"), "}"), 8),
              HasSubstr("unknown dtype \"F33\""));
  EXPECT_THAT(Refusal(absl::StrCat(R"({"a":)", tensor("F32", "[-2]", "[0,8]"), "}"), 8),
              HasSubstr("bad shape"));
  EXPECT_THAT(Refusal(absl::StrCat(R"({"a":)", tensor("F32", "[2]", "[0,8.5]"), "}"), 8),
              HasSubstr("bad data_offsets"));
  EXPECT_THAT(Refusal(absl::StrCat(R"({"a":)", tensor("F32", "[2]", "[0,8]"), R"(,"a":)",
                                   tensor("F32", "[2]", "[0,8]"), "}"),
                      8),
              HasSubstr("twice"));
  EXPECT_THAT(Refusal(std::string(100'000, '['), 0), HasSubstr("nested"));
  EXPECT_THAT(Refusal("{\"a\":" + std::string(100'000, '['), 0), HasSubstr("nested"));
  EXPECT_THAT(Refusal("[1]", 0), HasSubstr("object"));
  EXPECT_THAT(Refusal("{\"a\":", 0), HasSubstr("JSON"));
  EXPECT_THAT(Refusal("{\"\xff\":1}", 0), HasSubstr("JSON"));
}

TEST_F(TensorFileTest, RefusesAHeaderLongerThanTheFile) {
  for (const uint64_t length : {uint64_t{4}, uint64_t{1} << 20, ~uint64_t{0}}) {
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
    WriteBytes(bytes + "{}");
    EXPECT_THAT(std::string(Read().status().message()), HasSubstr("header claims"));
  }
  WriteBytes("");
  EXPECT_THAT(std::string(Read().status().message()), HasSubstr("too short"));
  EXPECT_EQ(MappedFile::Open(folder_ + "/none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(TensorFileTest, EveryTruncationAndFlippedBitIsAnswered) {
  ASSERT_TRUE(WriteSafetensors(path_, {{"a", at::ones({8})}, {"b", at::ones({2})}}).ok());
  std::ifstream file(path_, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  for (size_t i = 0; i < whole.size(); ++i) {
    WriteBytes(whole.substr(0, i));
    EXPECT_EQ(Read().status().code(), absl::StatusCode::kInvalidArgument) << i;
    std::string damaged = whole;
    damaged[i] ^= 1 << (i % 8);
    WriteBytes(damaged);
    const auto read = Read();
    EXPECT_TRUE(read.ok() || read.status().code() == absl::StatusCode::kInvalidArgument) << i;
  }
}

TEST_F(TensorFileTest, AFailedWriteLeavesTheOldFile) {
  ASSERT_TRUE(WriteSafetensors(path_, {{"a", at::ones({8})}}).ok());
  EXPECT_FALSE(WriteSafetensors(path_, {{"a", at::zeros({8}, at::kComplexFloat)}}).ok());
  EXPECT_FALSE(WriteSafetensors(folder_ + "/none/file", {{"a", at::ones({8})}}).ok());
  EXPECT_TRUE(at::equal(Read()->tensors.at("a"), at::ones({8})));
}

}  // namespace
}  // namespace acclimate::io
