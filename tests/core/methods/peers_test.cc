#include "core/methods/peers.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  absl::StatusOr<selection::OtherModels> Run(const std::string& method, int64_t count,
                                             train::StopSignal& stop) {
    return RunPeers(Context(), method, count, /*steps=*/24, examiner_, stop);
  }

  selection::OtherModels Peers(const std::string& method, int64_t count) {
    train::StopSignal stop([] { return train::Directive::kContinue; });
    at::manual_seed(7);
    return Run(method, count, stop).value();
  }

  Scene scene_;
  data::Dataset held_out_ = testing::Blobs(30, {6}, 9);
  selection::Examiner examiner_;
};

TEST_F(PeersTest, AreSoManyOtherMethodsAndLeaveTheModelAsItIs) {
  const auto before = testing::Snapshot(*scene_.model);
  const selection::OtherModels three = Peers("dan", 3), two = Peers("dan", 2);
  ASSERT_EQ(three.methods.size(), 2u);
  ASSERT_EQ(two.methods.size(), 1u);
  EXPECT_EQ(two.methods[0].predicted.numel(), scene_.target.size());
  EXPECT_TRUE(two.methods[0].predicted.equal(three.methods[0].predicted));
  EXPECT_TRUE(testing::Changed(*scene_.model, before).empty());
  // The first method is not a peer of itself.
  const selection::OtherModels of_dann = Peers("dann", 2);
  ASSERT_EQ(of_dann.methods.size(), 1u);
  EXPECT_FALSE(of_dann.methods[0].predicted.equal(two.methods[0].predicted));
}

TEST_F(PeersTest, TheLinearClassifierIsTheFirst) {
  const selection::OtherModels one = Peers("dan", 1), none = Peers("dan", 0);
  EXPECT_TRUE(one.methods.empty());
  ASSERT_TRUE(one.linear.has_value());
  EXPECT_TRUE(one.linear->predicted.equal(LinearPeer(Context(), examiner_)->predicted));
  EXPECT_FALSE(none.linear.has_value());
  EXPECT_TRUE(none.methods.empty());
}

TEST_F(PeersTest, StopWhenTheyAreToldTo) {
  train::StopSignal stop([] { return train::Directive::kCancel; });
  EXPECT_TRUE(absl::IsCancelled(Run("dan", 2, stop).status()));
}

}  // namespace
}  // namespace acclimate::methods
