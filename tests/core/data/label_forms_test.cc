#include "core/data/label_forms.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "core/data/dataset.h"
#include "core/io/tensor_file.h"
#include "tests/core/data/dataset_files.h"

namespace acclimate::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Refusal(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

absl::StatusOr<Dataset> ReadArchive(const std::vector<ZipMember>& others) {
  std::vector<ZipMember> members = {{"inputs.npy", NpyOf(at::arange(8.0f).view({4, 2}), "<f4")}};
  members.insert(members.end(), others.begin(), others.end());
  return Dataset::Read(FileOf(Zip(members), "t.npz"));
}

// An array of texts of three characters each.
std::string Utf32(const std::vector<std::string>& texts) {
  std::string body;
  for (const std::string& text : texts) {
    for (size_t i = 0; i < 3; ++i) {
      body += LittleEndian(i < text.size() ? static_cast<uint8_t>(text[i]) : 0, 4);
    }
  }
  return Npy(
      absl::StrCat("{'descr': '<U3', 'fortran_order': False, 'shape': (", texts.size(), ",), }"),
      body);
}

TEST(LabelFormsTest, WholeNumbersOfEveryTypeAreClasses) {
  const at::Tensor classes = at::tensor({0, 2, 1, 1}, at::kLong);
  for (const at::ScalarType type : {at::kByte, at::kChar, at::kShort, at::kInt, at::kLong,
                                    at::kHalf, at::kFloat, at::kDouble}) {
    for (const bool column : {false, true}) {
      const at::Tensor stored = classes.to(type);
      const auto read = ReadLabels(column ? stored.unsqueeze(1) : stored, 4, "d");
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_EQ(read->scalar_type(), at::kLong);
      EXPECT_TRUE(at::equal(*read, classes)) << type;
    }
  }
  const auto flags = ReadLabels(at::tensor({1, 0}).to(at::kBool), 2, "d");
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_TRUE(at::equal(*flags, at::tensor({1, 0}, at::kLong)));
}

TEST(LabelFormsTest, UnsignedTypesOfNumPyAreClasses) {
  for (const auto& [descr, bytes] : {std::pair{"<u2", 2}, {"<u4", 4}, {"<u8", 8}}) {
    std::string body;
    for (const int label : {3, 0, 1, 2}) body += LittleEndian(label, bytes);
    const auto dataset =
        ReadArchive({{"labels.npy", Npy(absl::StrCat("{'descr': '", descr,
                                                     "', 'fortran_order': False, 'shape': "
                                                     "(4,), }"),
                                        body)}});
    ASSERT_TRUE(dataset.ok()) << dataset.status();
    EXPECT_TRUE(at::equal(dataset->labels(), at::tensor({3, 0, 1, 2}, at::kLong))) << descr;
  }
}

TEST(LabelFormsTest, WhatIsNoClassIsToldTheLineThatMendsIt) {
  const auto refusal = [](const at::Tensor& labels) {
    return Refusal(ReadLabels(labels, labels.size(0), "d").status());
  };
  EXPECT_THAT(refusal(at::eye(3)), HasSubstr("one-hot rows: store the classes, labels = "
                                             "labels.argmax(1)"));
  EXPECT_THAT(refusal(at::full({3, 2}, 0.5)), HasSubstr("probabilities"));
  EXPECT_THAT(refusal(at::full({3, 2}, 7)), HasSubstr("must be one class a sample, [N]"));
  EXPECT_THAT(refusal(at::tensor({0.0, 1.5})), HasSubstr("labels[1] is 1.5"));
  EXPECT_THAT(refusal(at::tensor({0.0, std::numeric_limits<double>::quiet_NaN()})),
              HasSubstr("np.nan_to_num(labels, nan=-1)"));
  EXPECT_THAT(refusal(at::tensor({0, -2})), HasSubstr("labels[1] is -2"));
  EXPECT_THAT(refusal(at::tensor({1e300, 0.0})), HasSubstr("labels[0] is 1e+300"));
}

TEST(LabelFormsTest, MinusOneIsNoLabel) {
  const at::Tensor inputs = at::rand({4, 2});
  const auto none = Dataset::FromTensors(inputs, at::full({4}, -1, at::kLong), "d");
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_FALSE(none->has_labels());
  EXPECT_EQ(none->samples_without_label(), 4);
  const auto some = Dataset::FromTensors(inputs, at::tensor({2, -1, 0, -1}, at::kLong), "d");
  ASSERT_TRUE(some.ok()) << some.status();
  EXPECT_EQ(some->samples_without_label(), 2);
  EXPECT_EQ(some->num_classes(), 3);
  const Dataset labelled = some->LabelledSamples();
  EXPECT_EQ(labelled.samples_without_label(), 0);
  EXPECT_TRUE(at::equal(labelled.labels(), at::tensor({2, 0}, at::kLong)));
  EXPECT_TRUE(at::equal(labelled.stored_inputs(), inputs.index_select(0, at::tensor({0, 2}))));
}

TEST(LabelFormsTest, TextsAreNamesOfClasses) {
  const auto dataset = ReadArchive({{"labels.npy", Utf32({"dog", "cat", "", "dog"})}});
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->class_names(), ElementsAre("cat", "dog"));
  EXPECT_TRUE(at::equal(dataset->labels(), at::tensor({1, 0, -1, 1}, at::kLong)));
  Dataset recoded = *dataset;
  ASSERT_TRUE(recoded.SetClassNames({"dog", "cow", "cat"}).ok());
  EXPECT_TRUE(at::equal(recoded.labels(), at::tensor({0, 2, -1, 0}, at::kLong)));
  Dataset other = *dataset;
  EXPECT_THAT(Refusal(other.SetClassNames({"cow", "cat"})),
              HasSubstr("labels[0] is \"dog\", but the classes are cow, cat"));
}

TEST(LabelFormsTest, NamesMayComeBesideNumbers) {
  const auto npz = ReadArchive({{"labels.npy", NpyOf(at::tensor({0, 1, 1, 0}, at::kLong), "<i8")},
                                {"class_names.npy", Utf32({"no", "yes"})}});
  ASSERT_TRUE(npz.ok()) << npz.status();
  EXPECT_THAT(npz->class_names(), ElementsAre("no", "yes"));
  const std::string path = ::testing::TempDir() + "/named.safetensors";
  const auto write = [&](const std::string& names) {
    return io::WriteSafetensors(
        path, {{"inputs", at::rand({2, 3})}, {"labels", at::tensor({0, 1}, at::kLong)}},
        {{"class_names", names}});
  };
  ASSERT_TRUE(write("[\"no\", \"yes\"]").ok());
  EXPECT_THAT(Dataset::Read(*io::MappedFile::Open(path))->class_names(), ElementsAre("no", "yes"));
  ASSERT_TRUE(write("no, yes").ok());
  EXPECT_THAT(Refusal(Dataset::Read(*io::MappedFile::Open(path)).status()),
              HasSubstr("no JSON list"));
  std::filesystem::remove(path);
}

TEST(DatasetKeysTest, MissingInputsListTheKeysAndTheNearest) {
  const std::string array = NpyOf(at::zeros({4, 3}), "<f4");
  const auto refusal = [](const std::vector<ZipMember>& members) {
    return Refusal(Dataset::Read(FileOf(Zip(members), "t.npz")).status());
  };
  EXPECT_THAT(refusal({{"X_train.npy", array}, {"y_train.npy", array}}),
              HasSubstr("there are \"X_train\", \"y_train\": is \"X_train\" meant? np.savez(file, "
                        "inputs=d[\"X_train\"], labels=d[\"y_train\"])"));
  EXPECT_THAT(refusal({{"weights.npy", array}}), HasSubstr("there are \"weights\""));
  EXPECT_THAT(refusal({}), HasSubstr("the file has none at all"));
}

TEST(DatasetKeysTest, MissingLabelsAreLookedForUnderOtherNames) {
  const auto dataset = ReadArchive({{"y.npy", NpyOf(at::arange(4), "<i8")}});
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_FALSE(dataset->has_labels());
  EXPECT_THAT(dataset->labels_hint(), HasSubstr("store \"y\" as \"labels\""));
  EXPECT_THAT(ReadArchive({})->labels_hint(), IsEmpty());
}

TEST(DatasetKeysTest, EveryArrayAtFaultIsNamedAtOnce) {
  const auto dataset = Dataset::Read(FileOf(
      Zip({{"inputs.npy", Npy("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 1), }",
                              std::string(8, '\0'))},
           {"labels.npy", Npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "")}}),
      "t.npz"));
  EXPECT_THAT(Refusal(dataset.status()),
              AllOf(HasSubstr("t.npz: inputs.npy: dtype '>f4' is big-endian"),
                    HasSubstr("; labels.npy: dtype '|O' holds Python objects")));
}

}  // namespace
}  // namespace acclimate::data
