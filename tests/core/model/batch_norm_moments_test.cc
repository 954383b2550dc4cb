// Model::ForwardWithMoments() against the definitions.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/model/architectures.h"
#include "core/model/model.h"

namespace acclimate::model {
namespace {

std::vector<int64_t> ShapeFor(const std::string& architecture) {
  if (architecture == "mlp") return {6};
  return architecture == "dtn" ? std::vector<int64_t>{1, 8, 8} : std::vector<int64_t>{3, 32, 32};
}

class BatchNormMomentsTest : public ::testing::TestWithParam<std::string> {
 protected:
  BatchNormMomentsTest() {
    at::manual_seed(4);
    model_ = BuildArchitecture({GetParam(), ShapeFor(GetParam()), 3}).value();
    std::vector<int64_t> shape = ShapeFor(GetParam());
    shape.insert(shape.begin(), 20);
    inputs_ = 1.0 + 2.0 * at::randn(shape);
    for (const BatchNormLayer& norm : model_->batch_norm_layers()) {
      norm.weight.uniform_(0.5, 1.5);
      norm.running_mean.normal_(0.0, 0.3);
      norm.running_var.uniform_(0.5, 1.5);
    }
  }

  // Stores (1 - share) of what is stored and `share` of the moments, the variance unbiased.
  void Store(const std::vector<BatchMoments>& moments, double share) {
    for (size_t i = 0; i < moments.size(); ++i) {
      const BatchNormLayer& norm = model_->batch_norm_layers()[i];
      const double count = static_cast<double>(moments[i].count);
      norm.running_mean.mul_(1 - share).add_(moments[i].mean * share);
      norm.running_var.mul_(1 - share).add_(moments[i].variance * (share * count / (count - 1)));
    }
  }

  const at::NoGradGuard no_grad_;
  std::unique_ptr<Model> model_;
  at::Tensor inputs_;
};

TEST_P(BatchNormMomentsTest, OutputsAreThoseOfEvaluationWithTheMomentsStored) {
  for (const double share : {0.0, 0.3, 1.0}) {
    const MomentsResult seen = model_->ForwardWithMoments(inputs_, share);
    ASSERT_EQ(seen.layers.size(), model_->batch_norm_layers().size());
    Store(seen.layers, share);
    const ForwardResult stored = model_->Forward(inputs_, Mode::kEvaluation);
    EXPECT_TRUE(at::allclose(seen.output.logits, stored.logits, 1e-3, 1e-4)) << share;
    EXPECT_TRUE(at::allclose(seen.output.features, stored.features, 1e-3, 1e-4)) << share;
  }
}

TEST_P(BatchNormMomentsTest, MomentsAreThoseOfTheLayersInputs) {
  const MomentsResult seen = model_->ForwardWithMoments(inputs_, /*share=*/0.0);
  for (size_t i = 0; i < seen.layers.size(); ++i) {
    // [N, C, ...] -> [C, everything else].
    const at::Tensor input =
        model_->BatchNormInput(i, inputs_).to(at::kDouble).transpose(0, 1).flatten(1);
    EXPECT_EQ(seen.layers[i].count, input.size(1));
    EXPECT_TRUE(at::allclose(seen.layers[i].mean.to(at::kDouble), input.mean(1), 1e-4, 1e-5)) << i;
    EXPECT_TRUE(at::allclose(seen.layers[i].variance.to(at::kDouble),
                             input.var(1, /*unbiased=*/false), 1e-4, 1e-6))
        << i;
  }
}

TEST_P(BatchNormMomentsTest, StoredStatisticsStayAndANanOfThemIsNotUsed) {
  const at::Tensor before = model_->ForwardWithMoments(inputs_, /*share=*/1.0).output.logits;
  const BatchNormLayer& norm = model_->batch_norm_layers()[0];
  norm.running_mean.fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(model_->ForwardWithMoments(inputs_, /*share=*/1.0).output.logits.equal(before));
  EXPECT_TRUE(norm.running_mean.isnan().all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Architectures, BatchNormMomentsTest,
                         ::testing::Values("mlp", "dtn", "resnet18"));

}  // namespace
}  // namespace acclimate::model
