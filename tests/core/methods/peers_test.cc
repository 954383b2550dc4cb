#include "core/methods/peers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "core/methods/linear_peer.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Scene;

class PeersTest : public ::testing::Test {
 protected:
  PeersTest() : examiner_(scene_.target, {held_out_}, at::kCPU, 1) {}

  MethodContext Context() {
    const Settings settings((Hyperparameters()));
    return {*scene_.model, scene_.sources, scene_.target, at::kCPU,
            settings,      scene_.inputs,  {held_out_},   /*seed=*/1};
  }
  absl::StatusOr<std::vector<selection::Candidate>> Run(const std::string& method, int64_t count,
                                                        train::StopSignal& stop) {
    return RunPeers(Context(), method, count, /*steps=*/24, examiner_, stop);
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
  data::Dataset held_out_ = testing::Blobs(30, {6}, 9);
  selection::Examiner examiner_;
};

TEST_F(PeersTest, AreSoManyOtherMethodsAndLeaveTheModelAsItIs) {
  const auto before = testing::Snapshot(*scene_.model);
  const std::vector<at::Tensor> three = Predicted("dan", 3), two = Predicted("dan", 2);
  ASSERT_EQ(three.size(), 3u);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1].numel(), scene_.target.size());
  EXPECT_TRUE(two[1].equal(three[1]));
  EXPECT_TRUE(testing::Changed(*scene_.model, before).empty());
  // The first method is not a peer of itself.
  const std::vector<at::Tensor> of_dann = Predicted("dann", 2);
  ASSERT_EQ(of_dann.size(), 2u);
  EXPECT_FALSE(of_dann[1].equal(two[1]));
  EXPECT_TRUE(Predicted("dan", 0).empty());
}

TEST_F(PeersTest, TheFirstIsTheLinearClassifierWhereThereIsOne) {
  const std::vector<at::Tensor> one = Predicted("dan", 1);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_TRUE(one[0].equal(LinearPeer(Context(), examiner_)->predicted));
}

TEST_F(PeersTest, StopWhenTheyAreToldTo) {
  train::StopSignal stop([] { return train::Directive::kCancel; });
  EXPECT_TRUE(absl::IsCancelled(Run("dan", 2, stop).status()));
}

}  // namespace
}  // namespace acclimate::methods
