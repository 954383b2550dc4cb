#include "core/model/mixture.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/io/mapped_file.h"
#include "core/model/architectures.h"
#include "core/model/checkpoint.h"
#include "core/model/layers.h"
#include "core/model/script_model.h"

namespace acclimate::model {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kClasses = 3, kExperts = 4, kSamples = 5;

class MixtureTest : public ::testing::Test {
 protected:
  MixtureTest() {
    at::manual_seed(2);
    model_ = BuildArchitecture({"mlp", {6}, kClasses}).value();
    inputs_ = at::randn({kSamples, 6});
    mixture_ = MakeMixture(*model_, kExperts).value();
  }

  // Experts that differ, and a gate that prefers some of them.
  void SpreadExperts() {
    const at::NoGradGuard no_grad;
    for (const Parameter& parameter : mixture_->parameters()) {
      if (parameter.head) parameter.tensor.normal_(0.0, 0.5);
    }
  }

  at::Tensor Logits(Model& model) {
    const at::NoGradGuard no_grad;
    return model.Forward(inputs_, Mode::kEvaluation).logits;
  }

  std::unique_ptr<Model> model_, mixture_;
  at::Tensor inputs_;
};

// Rows of a softmax, by their definition.
std::vector<double> Softmax(const std::vector<double>& logits) {
  double sum = 0;
  std::vector<double> shares;
  for (const double logit : logits) sum += std::exp(logit);
  for (const double logit : logits) shares.push_back(std::exp(logit) / sum);
  return shares;
}

TEST_F(MixtureTest, EqualsADoubleLoopOverExpertsAndClasses) {
  SpreadExperts();
  const auto state = mixture_->StateDict();
  const at::Tensor weight = state.at("network.fc.weight"), bias = state.at("network.fc.bias");
  for (const Mode mode : {Mode::kEvaluation, Mode::kBatchStatistics, Mode::kTraining}) {
    const at::NoGradGuard no_grad;
    const ForwardResult result = mixture_->Forward(inputs_, mode);
    const auto row = [&](int64_t sample, int64_t index) {
      return (result.features[sample].to(at::kDouble) * weight[index].to(at::kDouble))
                 .sum()
                 .item<double>() +
             bias[index].item<double>();
    };
    for (int64_t i = 0; i < kSamples; ++i) {
      std::vector<double> gate, mixed(kClasses, 0.0);
      for (int64_t e = 0; e < kExperts; ++e) gate.push_back(row(i, kExperts * kClasses + e));
      gate = Softmax(gate);
      for (int64_t e = 0; e < kExperts; ++e) {
        std::vector<double> expert;
        for (int64_t c = 0; c < kClasses; ++c) expert.push_back(row(i, e * kClasses + c));
        expert = Softmax(expert);
        for (int64_t c = 0; c < kClasses; ++c) mixed[c] += gate[e] * expert[c];
      }
      for (int64_t c = 0; c < kClasses; ++c) {
        EXPECT_NEAR(result.logits[i][c].item<double>(), std::log(mixed[c]), 1e-4);
      }
    }
  }
}

TEST_F(MixtureTest, BeginsAsTheModelAndLeavesItAlone) {
  EXPECT_TRUE(at::allclose(Logits(*mixture_), Logits(*model_).log_softmax(1), 1e-4, 1e-5));
  const at::Tensor before = Logits(*model_);
  SpreadExperts();
  EXPECT_TRUE(at::equal(Logits(*model_), before));
}

TEST_F(MixtureTest, PartsJoinToWhatForwardReturns) {
  SpreadExperts();
  const at::NoGradGuard no_grad;
  const ForwardResult result = mixture_->Forward(inputs_, Mode::kEvaluation);
  const ExpertOutputs parts = RunExperts(*mixture_, result.features);
  ASSERT_EQ(parts.logits.sizes(), (std::vector<int64_t>{kSamples, kExperts, kClasses}));
  ASSERT_EQ(parts.gates.sizes(), (std::vector<int64_t>{kSamples, kExperts}));
  EXPECT_TRUE(at::allclose(parts.gates.sum(1), at::ones({kSamples})));
  EXPECT_TRUE(parts.gates.ge(0).all().item<bool>());
  const at::Tensor mixed = (parts.gates.unsqueeze(2) * parts.logits.softmax(2)).sum(1);
  EXPECT_TRUE(at::allclose(result.logits.exp(), mixed, 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(result.logits.exp().sum(1), at::ones({kSamples})));
}

TEST_F(MixtureTest, IsAModelLikeAnyOther) {
  EXPECT_EQ(mixture_->num_classes(), kClasses);
  EXPECT_EQ(mixture_->feature_size(), model_->feature_size());
  EXPECT_EQ(mixture_->batch_norm_layers().size(), model_->batch_norm_layers().size());
  EXPECT_THAT(mixture_->warnings(), IsEmpty());
  SpreadExperts();
  const at::NoGradGuard no_grad;
  const ForwardResult result = mixture_->Forward(inputs_, Mode::kEvaluation);
  EXPECT_TRUE(at::allclose(mixture_->ClassifyFeatures(result.features), result.logits));
  EXPECT_TRUE(at::equal(Logits(*mixture_->Clone()), result.logits));
}

TEST_F(MixtureTest, LoadsAgainAsItWasSaved) {
  SpreadExperts();
  const std::string path =
      (std::filesystem::temp_directory_path() / "acclimate_mixture_test.pt").string();
  ASSERT_TRUE(mixture_->Save(path).ok());
  auto loaded = LoadCheckpoint(io::MappedFile::Open(path).value(), {"", {6}});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->num_classes(), kClasses);
  EXPECT_TRUE(at::equal(Logits(**loaded), Logits(*mixture_)));
  // And without Acclimate.
  torch::jit::Module module = torch::jit::load(path);
  module.eval();
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::allclose(module.forward({inputs_}).toTensor(), Logits(*mixture_), 1e-4, 1e-5));
  std::filesystem::remove(path);
}

TEST(MixtureOfOtherModelsTest, NeedsAForwardThatReturnsTheLogitsAlone) {
  const LayerFactory layers;
  torch::jit::Module module = layers.Empty("Pair");
  module.register_module("fc", layers.Linear(6, kClasses));
  module.define("def forward(self, x):\n  return self.fc.forward(x), x\n");
  const auto model = ScriptModel::Create(module, {CheckpointForm::kTorchScript, "", {}}).value();
  const absl::Status status = MakeMixture(*model, kExperts).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("one tensor"));
}

}  // namespace
}  // namespace acclimate::model
