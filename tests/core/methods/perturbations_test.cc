#include "core/methods/perturbations.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

PerturbationOptions Nothing() { return {0.0, 0.0, false, 0.0, 0.0}; }

// A small bright square at (row, column) of a dark image.
at::Tensor Square(int64_t row, int64_t column) {
  at::Tensor image = at::zeros({1, 1, 32, 32});
  image.narrow(2, row, 2).narrow(3, column, 2).fill_(1);
  return image;
}

// Row and column of the centre of mass.
std::pair<double, double> Centre(const at::Tensor& image) {
  const at::Tensor plane = image[0][0], place = at::arange(32, at::kFloat);
  const double mass = plane.sum().item<double>();
  return {plane.sum(1).dot(place).item<double>() / mass,
          plane.sum(0).dot(place).item<double>() / mass};
}

TEST(PerturbationsTest, NothingIsTheIdentity) {
  const at::Tensor images = at::randn({3, 2, 8, 8}), vectors = at::randn({3, 5});
  EXPECT_LT((Perturbed(images, Nothing()) - images).abs().max().item<double>(), 1e-5);
  EXPECT_TRUE(Perturbed(vectors, Nothing()).equal(vectors));
}

TEST(PerturbationsTest, WithoutPatchesHidesWholePatches) {
  at::manual_seed(5);
  const at::Tensor kept = WithoutPatches(at::ones({200, 2, 28, 14}), 0.7, 4);
  // 4 x 4 patches of 7 x 3.5 pixels: nearest neighbours make them 3 or 4 wide.
  const at::Tensor rows = kept.unfold(2, 7, 7);  // [200, 2, 4, 14, 7]
  EXPECT_TRUE(at::equal(rows.amin(4), rows.amax(4)));
  EXPECT_TRUE(at::equal(kept.select(1, 0), kept.select(1, 1)));  // in all channels
  for (const int64_t column : {0, 4, 7, 11}) {
    EXPECT_TRUE(at::equal(kept.select(3, column), kept.select(3, column + 1))) << column;
  }
  EXPECT_NEAR(kept.mean().item<double>(), 0.3, 0.03);
  EXPECT_FALSE(at::equal(kept[0], kept[1]));
}

TEST(PerturbationsTest, ShiftsStayWithinTheirBounds) {
  at::manual_seed(3);
  PerturbationOptions options = Nothing();
  options.shift = 1.0 / 16;  // two pixels of 32
  double furthest = 0;
  for (int i = 0; i < 50; ++i) {
    const auto [row, column] = Centre(Perturbed(Square(15, 15), options));
    furthest = std::max({furthest, std::abs(row - 15.5), std::abs(column - 15.5)});
  }
  EXPECT_LT(furthest, 2.05);
  EXPECT_GT(furthest, 1.5);
}

TEST(PerturbationsTest, RotatesAroundTheCentre) {
  at::manual_seed(4);
  PerturbationOptions options = Nothing();
  options.degrees = 15;
  double furthest = 0;
  for (int i = 0; i < 50; ++i) {
    const auto [row, column] = Centre(Perturbed(Square(15, 25), options));
    EXPECT_NEAR(std::hypot(row - 15.5, column - 15.5), 10.0, 0.3);
    furthest = std::max(furthest, std::abs(std::atan2(row - 15.5, column - 15.5)));
  }
  EXPECT_LT(furthest * 180 / M_PI, 15.5);
  EXPECT_GT(furthest * 180 / M_PI, 12);
}

TEST(PerturbationsTest, MirrorsHalfOfTheSamples) {
  at::manual_seed(5);
  PerturbationOptions options = Nothing();
  options.flip = true;
  const at::Tensor images = at::randn({200, 1, 6, 6});
  const at::Tensor views = Perturbed(images, options);
  const auto same = [&](const at::Tensor& other) {
    return (views - other).abs().amax({1, 2, 3}).lt(1e-4).sum().item<int64_t>();
  };
  const int64_t kept = same(images), mirrored = same(images.flip(3));
  EXPECT_EQ(kept + mirrored, 200);
  EXPECT_NEAR(kept, 100, 35);
}

TEST(PerturbationsTest, VectorsAreScaledAsAWholeAndNoisy) {
  at::manual_seed(6);
  const at::Tensor vectors = at::randn({100, 8});
  PerturbationOptions options = Nothing();
  options.scale = 0.1;
  const at::Tensor ratio = Perturbed(vectors, options) / vectors;
  EXPECT_LT((ratio - ratio.select(1, 0).view({-1, 1})).abs().max().item<double>(), 1e-5);
  EXPECT_LT((ratio - 1).abs().max().item<double>(), 0.1001);
  EXPECT_GT((ratio - 1).abs().max().item<double>(), 0.08);
  options = Nothing();
  options.noise = 0.5;
  const double noise = (Perturbed(vectors * 3, options) - vectors * 3).std().item<double>();
  EXPECT_NEAR(noise, 0.5 * 3 * vectors.std().item<double>(), 0.15);
}

// Methods train on views, the stronger the more is changed, unless they are off.
TEST(AugmentTest, ImagesAndVectorsAreTrainedOnAsViews) {
  acclimate::testing::Scene images("lenet", {1, 16, 16}), vectors("mlp", {40});
  for (acclimate::testing::Scene* scene : {&images, &vectors}) {
    const at::Tensor batch = scene->TargetInputs();
    for (const char* method : {"finetune", "light", "shot", "dann", "mcc"}) {
      EXPECT_FALSE(scene->Task(method, {{"augment", "none"}})->plan().view) << method;
      double before = 0.01;
      for (const char* strength : {"light", "strong"}) {
        const auto task = scene->Task(method, {{"augment", strength}});
        ASSERT_TRUE(task->plan().view) << method;
        const at::Tensor views = task->plan().view(batch);
        EXPECT_EQ(views.sizes(), batch.sizes());
        const double changed = (views - batch).abs().mean().item<double>();
        EXPECT_GT(changed, before) << method;
        before = changed;
      }
    }
  }
}

TEST(PerturbationsTest, MaskedTokensAreAShareOfTheIdsAlone) {
  at::manual_seed(5);
  const at::Tensor ids = at::full({200, 30}, 7.0), mask = at::ones({200, 30});
  const at::Tensor packed = WithMaskedTokens(at::stack({ids, mask}, 1), /*planes=*/true, 0.15, 3);
  EXPECT_TRUE(packed.select(1, 1).equal(mask));
  for (const at::Tensor& masked : {packed.select(1, 0), WithMaskedTokens(ids, false, 0.15, 3)}) {
    EXPECT_TRUE(masked.select(1, 0).eq(7).all().item<bool>()) << "the first stays";
    const at::Tensor replaced = masked.slice(1, 1).eq(3);
    EXPECT_TRUE(masked.slice(1, 1).eq(7).logical_xor(replaced).all().item<bool>());
    EXPECT_NEAR(replaced.to(at::kDouble).mean().item<double>(), 0.15, 0.02);
  }
}

// auto: as strong as the pixels of the domains differ.
TEST(AugmentTest, ImagesOfOtherPixelsAreChangedStrongly) {
  acclimate::testing::Scene scene("lenet", {1, 16, 16});
  const auto strength = [&](const char* method) {
    nlohmann::json report;
    scene.Task(method)->Report(report);
    return report["augment"].get<std::string>();
  };
  scene.target = acclimate::testing::Blobs(48, {1, 16, 16}, 2);
  EXPECT_EQ(strength("dann"), "light");
  scene.target = acclimate::testing::Blobs(48, {1, 16, 16}, 2, /*gain=*/1.0, /*offset=*/3.0);
  for (const char* method : {"dann", "mcc", "multi_source_dann"}) {
    EXPECT_EQ(strength(method), "strong") << method;
  }
  scene.sources.push_back(scene.target);  // one of the sources looks like the target
  EXPECT_EQ(strength("multi_source_dann"), "light");
}

TEST(AugmentTest, AFifthOfAVectorIsMasked) {
  acclimate::testing::Scene vectors("mlp", {40});
  const at::Tensor batch = vectors.TargetInputs();
  const at::Tensor changed = vectors.Task("mcc")->plan().view(batch).ne(batch);
  EXPECT_NEAR(changed.to(at::kDouble).mean().item<double>(), 0.2, 0.05);
}

}  // namespace
}  // namespace acclimate::methods
