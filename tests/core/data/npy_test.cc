#include "core/data/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/data/dataset_files.h"

namespace acclimate::data {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<at::Tensor> Read(const std::string& bytes) {
  std::shared_ptr<io::MappedFile> file = FileOf(bytes, "a.npy");
  return ReadNpy({file->data(), file->size(), file, file->name()});
}

TEST(NpyTest, ReadsEveryDtype) {
  at::Tensor values = at::arange(12).view({3, 4});
  struct {
    const char* descr;
    at::ScalarType type;
  } cases[] = {{"<f4", at::kFloat}, {"<f8", at::kDouble}, {"<f2", at::kHalf},  {"|u1", at::kByte},
               {"<i8", at::kLong},  {"<i4", at::kInt},    {"<i2", at::kShort}, {"|i1", at::kChar}};
  for (const auto& [descr, type] : cases) {
    absl::StatusOr<at::Tensor> read = Read(NpyOf(values.to(type), descr));
    ASSERT_TRUE(read.ok()) << descr << read.status();
    EXPECT_EQ(read->scalar_type(), type) << descr;
    EXPECT_TRUE(at::equal(*read, values.to(type))) << descr;
  }
}

TEST(NpyTest, ReadsVersionsTwoAndThree) {
  for (int version : {2, 3}) {
    absl::StatusOr<at::Tensor> read =
        Read(Npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "\x07\x09", version));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ((*read)[1].item<int>(), 9);
  }
}

TEST(NpyTest, ConvertsFortranOrder) {
  at::Tensor values = at::arange(24).view({2, 3, 4});
  at::Tensor columns_first = values.permute({2, 1, 0}).contiguous();
  absl::StatusOr<at::Tensor> read = Read(
      Npy("{'descr': '<i8', 'fortran_order': True, 'shape': (2, 3, 4), }", BytesOf(columns_first)));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(at::equal(*read, values));
  EXPECT_TRUE(read->is_contiguous());
}

TEST(NpyTest, TheTensorKeepsTheFileMapped) {
  absl::StatusOr<at::Tensor> read = Read(NpyOf(at::full({1000, 100}, 3.0f), "<f4"));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->sum().item<float>(), 300000);
}

TEST(NpyTest, RefusesDamageAndSaysWhere) {
  const std::string good = NpyOf(at::zeros({3, 4}), "<f4");
  auto dictionary = [](const std::string& text) { return Npy(text, std::string(48, '\0')); };
  struct {
    std::string bytes, message;
  } cases[] = {
      {"NUMPY", "not an npy array"},
      {good.substr(0, 6), "unknown npy version 0"},
      {good.substr(0, 9), "truncated at byte 9"},
      {good.substr(0, 50), "claims 118 bytes, but only 40 follow byte 10"},
      {good.substr(0, good.size() - 1), "(3, 4) of <f4, but only 47 bytes follow byte 128"},
      {dictionary("{'descr': '>f4', 'fortran_order': False, 'shape': (3, 4), }"),
       "big-endian: store array.astype('<f4')"},
      {dictionary("{'descr': '|O', 'fortran_order': False, 'shape': (3, 4), }"),
       "'|O' holds Python objects, as NumPy makes of rows that differ in length"},
      {dictionary("{'descr': '<u2', 'fortran_order': False, 'shape': (3, 4), }"),
       "'<u2' is not read as samples: store array.astype(np.float32) / 65535"},
      {dictionary("{'descr': '<U3', 'fortran_order': False, 'shape': (4,), }"), "holds texts"},
      {dictionary("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }"),
       "structured array"},
      {dictionary("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (4,), }"), "dates"},
      {dictionary("{'descr': '<c8', 'fortran_order': False, 'shape': (3, 4), }"), "'<c8'"},
      {dictionary("{'fortran_order': False, 'shape': (3, 4), }"), "no 'descr'"},
      {dictionary("{'descr': '<f4', 'shape': (3, 4), }"), "no 'fortran_order'"},
      {dictionary("{'descr': '<f4', 'fortran_order': False, }"), "no 'shape'"},
      {dictionary("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3, 4), }"), "is Maybe"},
      {dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (3, -4), }"), "(3, -4)"},
      {dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4"), "'shape'"},
      {dictionary(
           "{'descr': '<f4', 'fortran_order': False, 'shape': (3000000000, 3000000000, 4), }"),
       "claims shape (3000000000, 3000000000, 4)"},
      {dictionary("{'descr': '<f4', 'fortran_order': False, "
                  "'shape': (4611686018427387904, 4), }"),
       "claims shape"},
  };
  for (const auto& [bytes, message] : cases) {
    absl::Status status = Read(bytes).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_THAT(std::string(status.message()), HasSubstr("a.npy"));
  }
}

TEST(NpyTest, EveryTruncationIsAnErrorAndNotACrash) {
  const std::string good = NpyOf(at::zeros({3, 4}), "<f4");
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(Read(good.substr(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace acclimate::data
