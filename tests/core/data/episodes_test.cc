#include "core/data/episodes.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace acclimate::data {
namespace {

using ::testing::HasSubstr;

// Sample i of class c is a 1x2x2 image of [100 c + i, 0, 0, 0]: it says where it comes from.
Dataset Numbered(const std::vector<int64_t>& samples_by_class) {
  std::vector<at::Tensor> inputs, labels;
  for (size_t c = 0; c < samples_by_class.size(); ++c) {
    const int64_t count = samples_by_class[c];
    at::Tensor images = at::zeros({count, 1, 2, 2});
    images.select(3, 0).select(2, 0).select(1, 0).copy_(at::arange(count, at::kFloat) +
                                                        100.0 * static_cast<double>(c));
    inputs.push_back(images);
    labels.push_back(at::full({count}, static_cast<int64_t>(c), at::kLong));
  }
  const at::Tensor order = at::randperm(at::cat(labels).size(0), at::kLong);
  return Dataset::FromTensors(at::cat(inputs).index_select(0, order),
                              at::cat(labels).index_select(0, order), "numbered")
      .value();
}

TEST(EpisodesTest, ClassesAreDistinctAndSupportAndQueryAreDisjoint) {
  at::manual_seed(1);
  const Dataset dataset = Numbered({9, 9, 9, 9, 9, 9, 9});
  const EpisodeSampler sampler = EpisodeSampler::Create(dataset, {4, 2, 3}).value();
  for (int run = 0; run < 50; ++run) {
    const Episode episode = sampler.Next(at::kCPU);
    ASSERT_EQ(episode.support.inputs.sizes(), at::IntArrayRef({8, 1, 2, 2}));
    ASSERT_EQ(episode.query.inputs.sizes(), at::IntArrayRef({12, 1, 2, 2}));
    std::set<int64_t> classes, samples;
    for (int64_t way = 0; way < 4; ++way) {
      const int64_t label = episode.classes[way].item<int64_t>();
      EXPECT_TRUE(classes.insert(label).second);
      for (int64_t i = 0; i < 2; ++i) {
        const auto sample = episode.support.inputs[way * 2 + i].sum().item<int64_t>();
        EXPECT_EQ(sample / 100, label);
        EXPECT_EQ(episode.support.labels[way * 2 + i].item<int64_t>(), way);
        EXPECT_TRUE(samples.insert(sample).second);
      }
      for (int64_t i = 0; i < 3; ++i) {
        const auto sample = episode.query.inputs[way * 3 + i].sum().item<int64_t>();
        EXPECT_EQ(sample / 100, label);
        EXPECT_EQ(episode.query.labels[way * 3 + i].item<int64_t>(), way);
        EXPECT_TRUE(samples.insert(sample).second);
      }
    }
  }
}

TEST(EpisodesTest, EveryClassAndEverySampleIsEquallyLikely) {
  at::manual_seed(2);
  const Dataset dataset = Numbered({4, 4, 4, 4, 4});
  const EpisodeSampler sampler = EpisodeSampler::Create(dataset, {2, 1, 1}).value();
  constexpr int kRuns = 4000;
  std::map<int64_t, double> in_support;
  for (int run = 0; run < kRuns; ++run) {
    const Episode episode = sampler.Next(at::kCPU);
    for (int64_t way = 0; way < 2; ++way) {
      in_support[episode.support.inputs[way].sum().item<int64_t>()] += 1;
    }
  }
  ASSERT_EQ(in_support.size(), 20u);
  double chi_squared = 0;
  const double expected = kRuns * 2 / 20.0;
  for (const auto& [sample, count] : in_support) {
    chi_squared += (count - expected) * (count - expected) / expected;
  }
  EXPECT_LT(chi_squared, 43.8);  // 19 degrees of freedom, p = 0.001
}

TEST(EpisodesTest, TurnedClassesAreClassesOfTheirOwn) {
  at::manual_seed(3);
  const Dataset dataset = Numbered({6});
  EpisodeShape shape{4, 1, 2};
  EXPECT_FALSE(EpisodeSampler::Create(dataset, shape).ok());
  shape.rotations = true;
  const Episode episode = EpisodeSampler::Create(dataset, shape)->Next(at::kCPU);
  std::set<int64_t> quarters;
  // Counter-clockwise: the number travels from the upper left over the lower left.
  const int64_t corner[4][2] = {{0, 0}, {1, 0}, {1, 1}, {0, 1}};
  for (int64_t way = 0; way < 4; ++way) {
    const int64_t turns = episode.quarters[way].item<int64_t>();
    quarters.insert(turns);
    for (int64_t i = 0; i < 2; ++i) {
      const at::Tensor image = episode.query.inputs[way * 2 + i][0];
      EXPECT_EQ(image[corner[turns][0]][corner[turns][1]].item<float>(), image.sum().item<float>());
    }
  }
  EXPECT_EQ(quarters.size(), 4u);
}

TEST(EpisodesTest, AGeneratorOfItsOwnLeavesTheDefaultOneAlone) {
  const Dataset dataset = Numbered({5, 5, 5});
  const EpisodeSampler sampler = EpisodeSampler::Create(dataset, {2, 1, 1}).value();
  const auto generator = [] { return at::make_generator<at::CPUGeneratorImpl>(7); };
  at::manual_seed(4);
  const at::Tensor expected = at::rand({3});
  at::manual_seed(4);
  const Episode first = sampler.Next(at::kCPU, generator());
  EXPECT_TRUE(at::rand({3}).equal(expected));
  EXPECT_TRUE(sampler.Next(at::kCPU, generator()).query.inputs.equal(first.query.inputs));
}

TEST(EpisodesTest, SaysWhichDataAreNotEnough) {
  const Dataset dataset = Numbered({5, 2, 5});
  EXPECT_TRUE(EpisodeSampler::Create(dataset, {2, 1, 4}).ok());
  EXPECT_THAT(std::string(EpisodeSampler::Create(dataset, {3, 1, 4}).status().message()),
              HasSubstr("3 classes of at least 5 samples; there are 2"));
  const Dataset vectors =
      Dataset::FromTensors(at::zeros({4, 3}), at::tensor({0, 0, 1, 1}, at::kLong), "v").value();
  EXPECT_THAT(std::string(EpisodeSampler::Create(vectors, {2, 1, 1, true}).status().message()),
              HasSubstr("no square images"));
}

}  // namespace
}  // namespace acclimate::data
