#include "core/train/gradient_cache.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "core/losses/nt_xent.h"
#include "core/model/architectures.h"

namespace acclimate::train {
namespace {

constexpr int64_t kSamples = 10, kWidth = 6;

std::unique_ptr<model::Model> BuildModel() {
  at::manual_seed(1);
  auto model = model::BuildArchitecture({"lenet", {1, 16, 16}, 3});
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

// A network without batch norm, in double: where chunks must give the gradient of the whole.
struct PlainNetwork {
  PlainNetwork()
      : weight(at::randn({8, kWidth}, at::kDouble).requires_grad_()),
        inputs(at::randn({kSamples, 8}, at::kDouble)) {}

  at::Tensor Encode(int64_t begin, int64_t end) const {
    return inputs.slice(0, begin, end).mm(weight).tanh();
  }

  at::Tensor weight, inputs;
};

// A loss in which every sample meets every other.
at::Tensor Contrast(const at::Tensor& encoded) {
  return losses::NtXent(encoded, encoded.flip(1) * 2, 0.5);
}

TEST(GradientCacheTest, ChunksGiveTheGradientOfTheWholeBatch) {
  at::manual_seed(2);
  const auto model = BuildModel();
  const PlainNetwork network;
  const at::Tensor whole_loss = Contrast(network.Encode(0, kSamples));
  whole_loss.backward();
  const at::Tensor whole = network.weight.grad().clone();
  ASSERT_GT(whole.abs().max().item<double>(), 1e-3);
  for (const int64_t chunk_size : {1, 3, 5, 9, 10, 100}) {
    network.weight.mutable_grad().reset();
    const at::Tensor loss = Contrast(EncodeInChunks(
        *model, at::kCPU, kSamples, chunk_size,
        [&network](int64_t begin, int64_t end) { return network.Encode(begin, end); }));
    loss.backward();
    EXPECT_NEAR(loss.item<double>(), whole_loss.item<double>(), 1e-12) << chunk_size;
    EXPECT_LT((network.weight.grad() - whole).abs().max().item<double>(), 1e-12) << chunk_size;
  }
}

TEST(GradientCacheTest, ChunksAreEvenAndHoldNoGraphAtFirst) {
  const auto model = BuildModel();
  std::vector<std::pair<int64_t, int64_t>> chunks;
  std::vector<bool> graphs;
  const at::Tensor encoded =
      EncodeInChunks(*model, at::kCPU, 10, 4, [&](int64_t begin, int64_t end) {
        chunks.emplace_back(begin, end);
        graphs.push_back(at::GradMode::is_enabled());
        return (at::arange(begin, end, at::kFloat) * at::ones({1}).requires_grad_()).unsqueeze(1);
      });
  using Chunks = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(chunks, (Chunks{{0, 3}, {3, 6}, {6, 10}}));
  EXPECT_EQ(graphs, std::vector<bool>({false, false, false}));
  encoded.sum().backward();
  EXPECT_EQ(graphs, std::vector<bool>({false, false, false, true, true, true}));
}

// Random numbers of the second pass are those of the first: the gradient of x * noise is noise.
TEST(GradientCacheTest, SecondPassReplaysTheFirst) {
  at::manual_seed(3);
  const auto model = BuildModel();
  at::Tensor scale = at::ones({kSamples, kWidth}).requires_grad_();
  const at::Tensor encoded =
      EncodeInChunks(*model, at::kCPU, kSamples, 4, [&scale](int64_t begin, int64_t end) {
        const at::Tensor rows = scale.slice(0, begin, end);
        return rows * at::randn(rows.sizes());
      });
  const at::Tensor next = at::randn({3});  // drawn between the passes
  at::manual_seed(3);
  const at::Tensor noise = encoded.detach().clone();
  encoded.sum().backward();
  EXPECT_TRUE(scale.grad().equal(noise));
  // The generator stands where it stood before the backward pass.
  const at::Tensor after = at::randn({3});
  at::manual_seed(3);
  EXPECT_TRUE(after.equal(at::randn({3})));
  EXPECT_FALSE(after.equal(next));
}

TEST(GradientCacheTest, BuffersMoveOnce) {
  const auto chunked = BuildModel(), expected = BuildModel();
  at::manual_seed(4);
  const at::Tensor inputs = at::randn({12, 1, 16, 16});
  at::manual_seed(5);
  for (const int64_t begin : {0, 4, 8}) {
    const at::NoGradGuard no_grad;
    expected->Forward(inputs.slice(0, begin, begin + 4), model::Mode::kTraining);
  }
  at::manual_seed(5);
  const at::Tensor encoded =
      EncodeInChunks(*chunked, at::kCPU, 12, 4, [&](int64_t begin, int64_t end) {
        return chunked->Forward(inputs.slice(0, begin, end), model::Mode::kTraining).features;
      });
  encoded.square().sum().backward();
  const std::map<std::string, at::Tensor> state = chunked->StateDict();
  for (const auto& [name, tensor] : expected->StateDict()) {
    EXPECT_TRUE(state.at(name).equal(tensor)) << name;
  }
  EXPECT_TRUE(chunked->parameters()[0].tensor.grad().defined());
}

}  // namespace
}  // namespace acclimate::train
