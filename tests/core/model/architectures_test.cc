#include "core/model/architectures.h"

#include <torch/torch.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acclimate::model {
namespace {

using ::testing::HasSubstr;

struct Case {
  std::string name;
  std::vector<int64_t> shape;
  int64_t feature_size;
  size_t batch_norms;
};

std::unique_ptr<Model> Build(const std::string& name, const std::vector<int64_t>& shape,
                             int64_t classes = 10) {
  auto model = BuildArchitecture({name, shape, classes});
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? *std::move(model) : nullptr;
}

at::Tensor Inputs(const std::vector<int64_t>& shape, int64_t count) {
  std::vector<int64_t> sizes{count};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return torch::rand(sizes);
}

class ArchitectureTest : public ::testing::TestWithParam<Case> {};

TEST_P(ArchitectureTest, SplitsIntoFeaturesAndHeadInEveryMode) {
  torch::manual_seed(0);
  const auto model = Build(GetParam().name, GetParam().shape);
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->num_classes(), 10);
  EXPECT_EQ(model->feature_size(), GetParam().feature_size);
  EXPECT_EQ(model->batch_norm_layers().size(), GetParam().batch_norms);
  EXPECT_TRUE(model->warnings().empty());
  const at::Tensor inputs = Inputs(GetParam().shape, 4);
  for (const Mode mode : {Mode::kEvaluation, Mode::kTraining, Mode::kBatchStatistics}) {
    const ForwardResult result = model->Forward(inputs, mode);
    EXPECT_EQ(result.features.sizes(), (std::vector<int64_t>{4, GetParam().feature_size}));
    EXPECT_EQ(result.logits.sizes(), (std::vector<int64_t>{4, 10}));
    EXPECT_LE((model->ClassifyFeatures(mode == Mode::kTraining && GetParam().name == "dtn"
                                           ? result.features
                                           : result.features) -
               result.logits)
                  .abs()
                  .max()
                  .item<float>(),
              1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(
    BuiltIn, ArchitectureTest,
    ::testing::Values(Case{"lenet", {1, 28, 28}, 256, 1}, Case{"lenet", {3, 32, 32}, 256, 1},
                      Case{"lenet", {1, 16, 16}, 256, 1}, Case{"dtn", {1, 28, 28}, 256, 4},
                      Case{"dtn", {3, 32, 32}, 256, 4}, Case{"mlp", {100}, 256, 3},
                      Case{"resnet18", {3, 64, 64}, 512, 20},
                      Case{"resnet50", {1, 64, 64}, 2048, 53}));

}  // namespace
}  // namespace acclimate::model
