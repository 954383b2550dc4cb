#include "core/model/architectures.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/io/mapped_file.h"
#include "core/model/checkpoint.h"

namespace acclimate::model {
namespace {

using ::testing::HasSubstr;

struct Case {
  std::string name;
  std::vector<int64_t> shape;
  int64_t feature_size;
  size_t batch_norms;
};

std::unique_ptr<Model> Build(const std::string& name, const std::vector<int64_t>& shape) {
  at::manual_seed(1);
  return BuildArchitecture({name, shape, 10}).value();
}

at::Tensor Inputs(const std::vector<int64_t>& shape, int64_t count) {
  std::vector<int64_t> sizes{count};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return at::rand(sizes);
}

bool SameState(const Model& a, const Model& b) {
  const auto state = a.StateDict(), other = b.StateDict();
  if (state.size() != other.size()) return false;
  for (const auto& [name, tensor] : state) {
    if (!at::equal(tensor, other.at(name))) return false;
  }
  return true;
}

class ArchitectureTest : public ::testing::TestWithParam<Case> {};

TEST_P(ArchitectureTest, SplitsIntoFeaturesAndHeadInEveryMode) {
  const auto model = Build(GetParam().name, GetParam().shape);
  EXPECT_EQ(model->num_classes(), 10);
  EXPECT_EQ(model->feature_size(), GetParam().feature_size);
  EXPECT_EQ(model->batch_norm_layers().size(), GetParam().batch_norms);
  EXPECT_TRUE(model->warnings().empty());
  const at::Tensor inputs = Inputs(GetParam().shape, 4);
  for (const Mode mode : {Mode::kEvaluation, Mode::kTraining, Mode::kBatchStatistics}) {
    const ForwardResult result = model->Forward(inputs, mode);
    EXPECT_EQ(result.features.sizes(), (std::vector<int64_t>{4, GetParam().feature_size}));
    EXPECT_EQ(result.logits.sizes(), (std::vector<int64_t>{4, 10}));
    EXPECT_TRUE(at::equal(model->ClassifyFeatures(result.features), result.logits));
  }
}

TEST_P(ArchitectureTest, RolesOfParameters) {
  const auto model = Build(GetParam().name, GetParam().shape);
  size_t head = 0, batch_norm = 0;
  for (const Parameter& parameter : model->parameters()) {
    head += parameter.head;
    batch_norm += parameter.batch_norm;
    EXPECT_EQ(parameter.head, parameter.name.rfind("fc.", 0) == 0) << parameter.name;
    EXPECT_TRUE(parameter.tensor.requires_grad()) << parameter.name;
  }
  EXPECT_EQ(head, 2u);
  EXPECT_EQ(batch_norm, 2 * GetParam().batch_norms);
}

TEST_P(ArchitectureTest, SavesAndLoadsAsSafetensors) {
  const auto model = Build(GetParam().name, GetParam().shape);
  model->Forward(Inputs(GetParam().shape, 4), Mode::kTraining);
  model->metadata()["std"] = "0.25";
  const std::string path = std::filesystem::temp_directory_path() /
                           ("acclimate_architecture_" + std::to_string(getpid()));
  ASSERT_TRUE(model->Save(path).ok());
  const auto loaded = LoadCheckpoint(io::MappedFile::Open(path).value(), {"", GetParam().shape});
  std::filesystem::remove(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(SameState(*model, **loaded));
  EXPECT_EQ((*loaded)->architecture(), GetParam().name);
  EXPECT_EQ((*loaded)->metadata().at("std"), "0.25");
}

INSTANTIATE_TEST_SUITE_P(
    BuiltIn, ArchitectureTest,
    ::testing::Values(Case{"conv4", {1, 28, 28}, 64, 4}, Case{"conv4", {3, 20, 40}, 64, 4},
                      Case{"conv4_pooled", {3, 16, 20}, 64, 4}, Case{"lenet", {1, 28, 28}, 256, 1},
                      Case{"lenet", {3, 32, 32}, 256, 1}, Case{"lenet", {1, 16, 16}, 256, 1},
                      Case{"dtn", {1, 28, 28}, 256, 4}, Case{"dtn", {3, 32, 32}, 256, 4},
                      Case{"mlp", {100}, 256, 3}, Case{"resnet18", {3, 32, 32}, 512, 20},
                      Case{"resnet50", {1, 32, 32}, 2048, 53}));

TEST(ArchitecturesTest, TheSeedDecidesTheWeightsAndTheRun) {
  const at::Tensor inputs = Inputs({1, 28, 28}, 8);
  const auto first = Build("dtn", {1, 28, 28}), second = Build("dtn", {1, 28, 28});
  EXPECT_TRUE(SameState(*first, *second));
  for (int run = 0; run < 3; ++run) {  // nothing depends on how often it ran before
    at::manual_seed(run);
    const at::Tensor expected = first->Forward(inputs, Mode::kTraining).logits;
    at::manual_seed(run);
    EXPECT_TRUE(at::equal(second->Forward(inputs, Mode::kTraining).logits, expected));
  }
  EXPECT_TRUE(SameState(*first, *second));
  EXPECT_EQ(first->StateDict().at("bn1.num_batches_tracked").item<int64_t>(), 3);
}

TEST(ArchitecturesTest, ModesTouchOnlyWhatTheyMay) {
  const auto model = Build("dtn", {1, 28, 28});
  const auto untouched = model->Clone();
  const at::Tensor inputs = Inputs({1, 28, 28}, 8);
  const at::Tensor evaluation = model->Forward(inputs, Mode::kEvaluation).logits;
  const at::Tensor batch = model->Forward(inputs, Mode::kBatchStatistics).logits;
  EXPECT_FALSE(at::allclose(evaluation, batch));
  EXPECT_TRUE(at::equal(model->Forward(inputs, Mode::kBatchStatistics).logits, batch));
  EXPECT_TRUE(SameState(*model, *untouched));
  model->Forward(inputs, Mode::kTraining);
  EXPECT_FALSE(SameState(*model, *untouched));
}

TEST(ArchitecturesTest, ACloneIsIndependent) {
  const auto model = Build("lenet", {1, 28, 28});
  at::Tensor(model->parameters()[0].tensor).set_requires_grad(false);
  const auto clone = model->Clone();
  EXPECT_TRUE(SameState(*model, *clone));
  EXPECT_FALSE(clone->parameters()[0].tensor.requires_grad());
  EXPECT_TRUE(clone->parameters()[1].tensor.requires_grad());
  EXPECT_TRUE(clone->parameters()[1].tensor.is_leaf());
  at::NoGradGuard no_grad;
  at::Tensor(clone->parameters()[0].tensor).add_(1);
  EXPECT_FALSE(SameState(*model, *clone));
  ASSERT_TRUE(clone->LoadStateDict(model->StateDict()).ok());
  EXPECT_TRUE(SameState(*model, *clone));
}

TEST(ArchitecturesTest, LoadStateDictNamesEveryFaultAndChangesNothing) {
  const auto model = Build("lenet", {1, 28, 28});
  const auto before = model->Clone();
  auto state = Build("lenet", {1, 28, 28})->StateDict();
  state.erase("conv1.weight");
  state["conv2.bias"] = at::zeros({49});
  state["extra"] = at::zeros({1});
  state["fc.bias"] = at::ones({10});
  const std::string message(model->LoadStateDict(state).message());
  EXPECT_THAT(message, HasSubstr("missing conv1.weight"));
  EXPECT_THAT(message, HasSubstr("conv2.bias has shape [49] instead of [50]"));
  EXPECT_THAT(message, HasSubstr("unexpected extra"));
  EXPECT_TRUE(SameState(*model, *before));
}

TEST(ArchitecturesTest, RefusesWithAReason) {
  const auto message = [](const ArchitectureOptions& options) {
    const auto model = BuildArchitecture(options);
    EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(model.status().message());
  };
  EXPECT_THAT(message({"alexnet", {3, 32, 32}, 10}), HasSubstr("dtn, lenet, mlp, resnet18"));
  EXPECT_THAT(message({"lenet", {1, 8, 8}, 10}), HasSubstr("at least 16x16"));
  EXPECT_THAT(message({"lenet", {28, 28}, 10}), HasSubstr("[28, 28]"));
  EXPECT_THAT(message({"resnet18", {3, 16, 16}, 10}), HasSubstr("at least 32x32"));
  EXPECT_THAT(message({"mlp", {}, 10}), HasSubstr("sample shape"));
  EXPECT_THAT(message({"mlp", {int64_t{1} << 40}, 10}), HasSubstr("too large"));
  EXPECT_THAT(message({"mlp", {4}, 1}), HasSubstr("two classes"));
}

}  // namespace
}  // namespace acclimate::model
