#include "core/data/fields.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/data/concatenation.h"
#include "core/data/dataset.h"
#include "core/io/tensor_file.h"

namespace acclimate::data {
namespace {

using ::testing::HasSubstr;

const Fields& TextFields() {
  static const auto* fields = new Fields{{"input_ids", true, 100}, {"attention_mask", true, 0}};
  return *fields;
}

at::Tensor Ids() { return at::arange(12).view({3, 4}); }

void ExpectRefused(const std::map<std::string, at::Tensor>& tensors, const std::string& message) {
  const absl::Status status = Pack(tensors, TextFields(), "text.npz").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("text.npz"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(FieldsTest, ArePlanesInTheOrderOfTheModel) {
  const at::Tensor mask = at::ones({3, 4}, at::kBool);
  for (const char* name : {"input_ids", "inputs"}) {
    const absl::StatusOr<at::Tensor> packed =
        Pack({{name, Ids().to(at::kInt)}, {"attention_mask", mask}, {"labels", at::zeros({3})}},
             TextFields(), "text.npz");
    ASSERT_TRUE(packed.ok()) << packed.status();
    EXPECT_EQ(packed->scalar_type(), at::kFloat);
    EXPECT_EQ(packed->sizes(), at::IntArrayRef({3, 2, 4}));
    EXPECT_TRUE(packed->select(1, 0).equal(Ids().to(at::kFloat)));
    EXPECT_TRUE(packed->select(1, 1).equal(at::ones({3, 4})));
  }
}

TEST(FieldsTest, OfOneInputStayAsTheyAre) {
  const absl::StatusOr<at::Tensor> packed =
      Pack({{"inputs", Ids()}}, {{"tokens", true, 100}}, "text.npz");
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_TRUE(packed->equal(Ids().to(at::kFloat)));
  EXPECT_FALSE(NeedPacking({}));
  EXPECT_FALSE(NeedPacking({{"x", false, 0}}));
}

TEST(FieldsTest, NameWhatIsWrong) {
  const at::Tensor mask = at::ones({3, 4});
  ExpectRefused({{"inputs", Ids()}, {"mask", mask}},
                "the model takes \"attention_mask\", which is not there; found: \"inputs\" [3, 4], "
                "\"mask\" [3, 4]");
  ExpectRefused({{"input_ids", Ids()}, {"attention_mask", at::ones({3, 5})}},
                "attention_mask has shape [3, 5], but \"input_ids\" has [3, 4]");
  ExpectRefused({{"input_ids", Ids() - 6}, {"attention_mask", mask}},
                "input_ids[0, 0] is -6, but token ids count from 0");
  ExpectRefused({{"input_ids", Ids() * 10}, {"attention_mask", mask}},
                "input_ids[2, 2] is 100, but the model knows the tokens 0 to 99");
  ExpectRefused({{"input_ids", Ids() + 0.5}, {"attention_mask", mask}},
                "input_ids[0, 0] is 0.5, but token ids are whole numbers");
  ExpectRefused({{"input_ids", at::arange(3)}, {"attention_mask", mask}},
                "input_ids has shape [3], but must be [N, ...]");
}

TEST(FieldsTest, OfADatasetAreNeitherScaledNorNormalised) {
  const std::string path = ::testing::TempDir() + "fields_test_" + std::to_string(getpid());
  ASSERT_TRUE(io::WriteSafetensors(path, {{"inputs", Ids().to(at::kByte)},
                                          {"attention_mask", at::ones({3, 4}, at::kLong)},
                                          {"labels", at::arange(3)}})
                  .ok());
  const absl::StatusOr<Dataset> read =
      Dataset::Read(io::MappedFile::Open(path).value(), TextFields());
  std::filesystem::remove(path);
  ASSERT_TRUE(read.ok()) << read.status();
  Dataset dataset = *read;
  EXPECT_TRUE(dataset.SetNormalization({}).ok());
  EXPECT_THAT(std::string(dataset.SetNormalization({{0.5}, {0.5}}).message()),
              HasSubstr("token ids"));
  const absl::StatusOr<Dataset> twice = Concatenate({dataset, dataset});
  ASSERT_TRUE(twice.ok()) << twice.status();
  const at::Tensor index = at::tensor({2, 0});
  for (const Dataset& same :
       {dataset, *twice, dataset.Subset(at::arange(3)), dataset.WithoutLabels()}) {
    EXPECT_TRUE(same.token_ids());
    EXPECT_EQ(same.planes(), 2);
    const at::Tensor inputs = same.Gather(index, at::kCPU).inputs;
    EXPECT_TRUE(inputs.select(1, 0).equal(Ids().index_select(0, index).to(at::kFloat)));
  }
  EXPECT_FALSE(dataset.WithoutLabels().has_labels());
}

}  // namespace
}  // namespace acclimate::data
