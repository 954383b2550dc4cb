#include "core/methods/linear_peer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/methods/settings.h"
#include "core/shift/linear_classifier.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using selection::Examiner;
using testing::Blobs;
using testing::Scene;

double Accuracy(const at::Tensor& predicted, const data::Dataset& dataset) {
  return predicted.eq(dataset.labels()).to(at::kDouble).mean().item<double>();
}

class LinearPeerTest : public ::testing::Test {
 protected:
  absl::optional<selection::Candidate> Peer(const std::vector<data::Dataset>& held_out) {
    const Settings settings((Hyperparameters()));
    const Examiner examiner(scene_.target, held_out, at::kCPU, 1);
    return LinearPeer({*scene_.model, scene_.sources, scene_.target, at::kCPU, settings,
                       scene_.inputs, held_out, /*seed=*/1},
                      examiner);
  }

  Scene scene_;
};

TEST_F(LinearPeerTest, SeesThroughAShiftOfEachCoordinate) {
  // A gain and an offset that differ by coordinate.
  const at::Tensor gain = at::tensor({0.2, 3.0, 1.0, 8.0, 0.5, 2.0}, at::kFloat);
  const at::Tensor offset = at::tensor({4.0, -9.0, 0.0, 5.0, 1.0, -3.0}, at::kFloat);
  const data::Dataset plain = Blobs(60, {6}, 5);
  scene_.target =
      data::Dataset::FromTensors(plain.stored_inputs() * gain + offset, plain.labels(), "target")
          .value();
  const absl::optional<selection::Candidate> peer = Peer({Blobs(30, {6}, 9)});
  ASSERT_TRUE(peer.has_value());
  EXPECT_GT(Accuracy(peer->predicted, plain), 0.85);
  const data::Dataset& source = scene_.sources[0];
  const at::Tensor unaligned =
      shift::FitLinearClassifier(source.stored_inputs(), source.labels(), testing::kClasses, 0.01)
          .Logits(scene_.target.stored_inputs())
          .argmax(1);
  EXPECT_LT(Accuracy(unaligned, plain), 0.7);
}

TEST_F(LinearPeerTest, TellsHowMuchOfTheSourceItKnows) {
  const absl::optional<selection::Candidate> peer = Peer({Blobs(30, {6}, 9)});
  ASSERT_TRUE(peer.has_value());
  const auto& names = selection::ValidatorNames();
  const auto place = std::find(names.begin(), names.end(), "source_accuracy") - names.begin();
  EXPECT_GT(peer->scores[static_cast<size_t>(place)], 0.9);
}

TEST_F(LinearPeerTest, IsNoneForImagesAndWithoutHeldOutSource) {
  EXPECT_FALSE(Peer({}).has_value());
  scene_ = Scene("dtn", {1, 8, 8});
  EXPECT_FALSE(Peer({Blobs(30, {1, 8, 8}, 9)}).has_value());
}

}  // namespace
}  // namespace acclimate::methods
