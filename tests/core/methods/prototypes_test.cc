#include "core/methods/few_shot/prototypes.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "core/methods/few_shot/linear_head.h"
#include "core/model/architectures.h"

namespace acclimate::methods {
namespace {

TEST(PrototypesTest, AreTheClassMeans) {
  at::manual_seed(1);
  const at::Tensor features = at::randn({7, 4}, at::kDouble);
  const at::Tensor labels = at::tensor({2, 0, 0, 2, 1, 2, 0}, at::kLong);
  const at::Tensor prototypes = Prototypes(features, labels, 3);
  for (int64_t k = 0; k < 3; ++k) {
    for (int64_t d = 0; d < 4; ++d) {
      double sum = 0, count = 0;
      for (int64_t i = 0; i < 7; ++i) {
        if (labels[i].item<int64_t>() != k) continue;
        sum += features[i][d].item<double>();
        count += 1;
      }
      EXPECT_NEAR(prototypes[k][d].item<double>(), sum / count, 1e-13);
    }
  }
}

TEST(PrototypesTest, TheLinearFormHasTheSoftmaxOfSquaredDistances) {
  at::manual_seed(2);
  const at::Tensor features = at::randn({5, 4}, at::kDouble);
  const at::Tensor prototypes = at::randn({3, 4}, at::kDouble);
  const PrototypeLayer layer = LinearForm(prototypes);
  const at::Tensor actual = at::linear(features, layer.weight, layer.bias).softmax(1);
  at::Tensor distances = at::zeros({5, 3}, at::kDouble);
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t k = 0; k < 3; ++k) {
      for (int64_t d = 0; d < 4; ++d) {
        const double difference = features[i][d].item<double>() - prototypes[k][d].item<double>();
        distances[i][k] += difference * difference;
      }
    }
  }
  EXPECT_TRUE(actual.allclose((-distances).softmax(1), 1e-12, 1e-12));
}

TEST(LinearHeadTest, IsTheModelsClassifier) {
  at::manual_seed(3);
  const auto model = model::BuildArchitecture({"mlp", {6}, 4}).value();
  const LinearHead head = LinearHead::Of(*model).value();
  const at::Tensor features = at::randn({5, 256});
  EXPECT_TRUE(head.Logits(features, head.Parameters()).allclose(model->ClassifyFeatures(features)));
  const at::NoGradGuard no_grad;
  head.bias().fill_(3);
  head.weight().zero_();
  EXPECT_TRUE(model->ClassifyFeatures(features).equal(at::full({5, 4}, 3.0)));
  at::Tensor other = at::ones({4, 256});
  const std::map<std::string, at::Tensor> replaced = {{"fc.weight", other},
                                                      {"fc.bias", at::zeros({4})}};
  EXPECT_TRUE(
      head.Logits(features, replaced).allclose(features.sum(1, true).expand({5, 4}), 1e-4, 1e-4));
}

}  // namespace
}  // namespace acclimate::methods
