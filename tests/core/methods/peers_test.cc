#include "core/methods/peers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Scene;

class PeersTest : public ::testing::Test {
 protected:
  PeersTest() : examiner_(scene_.target, {testing::Blobs(30, {6}, 9)}, at::kCPU, 1) {}

  absl::StatusOr<std::vector<selection::Candidate>> Run(const std::string& method, int64_t count,
                                                        train::StopSignal& stop) {
    const Settings settings((Hyperparameters()));
    return RunPeers({*scene_.model,
                     scene_.sources,
                     scene_.target,
                     at::kCPU,
                     settings,
                     scene_.inputs,
                     {},
                     /*seed=*/1},
                    method, count, /*steps=*/24, examiner_, stop);
  }

  std::vector<at::Tensor> Predicted(const std::string& method, int64_t count) {
    train::StopSignal stop([] { return train::Directive::kContinue; });
    torch::manual_seed(7);
    std::vector<at::Tensor> predicted;
    const std::vector<selection::Candidate> peers = Run(method, count, stop).value();
    predicted.reserve(peers.size());
    for (const selection::Candidate& peer : peers) predicted.push_back(peer.predicted);
    return predicted;
  }

  Scene scene_;
  selection::Examiner examiner_;
};

TEST_F(PeersTest, AreSoManyOtherMethodsAndLeaveTheModelAsItIs) {
  const auto before = testing::Snapshot(*scene_.model);
  const std::vector<at::Tensor> two = Predicted("dan", 2), one = Predicted("dan", 1);
  ASSERT_EQ(two.size(), 2u);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(two[0].numel(), scene_.target.size());
  EXPECT_TRUE(two[0].equal(one[0]));
  EXPECT_TRUE(testing::Changed(*scene_.model, before).empty());
  // The first of them is not a peer of itself.
  const std::vector<at::Tensor> of_dann = Predicted("dann", 1);
  ASSERT_EQ(of_dann.size(), 1u);
  EXPECT_FALSE(of_dann[0].equal(one[0]));
}

TEST_F(PeersTest, StopWhenTheyAreToldTo) {
  train::StopSignal stop([] { return train::Directive::kCancel; });
  EXPECT_TRUE(absl::IsCancelled(Run("dan", 2, stop).status()));
}

}  // namespace
}  // namespace acclimate::methods
