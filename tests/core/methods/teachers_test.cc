// The classical teachers as tasks.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "core/methods/registry.h"
#include "core/methods/teaching/classical_teacher.h"
#include "core/methods/teaching/table_teacher.h"
#include "core/methods/teaching/text_teacher.h"
#include "tests/core/methods/scene.h"

namespace acclimate::methods {
namespace {

using testing::Blobs;
using testing::kClasses;
using testing::Scene;

double RightOf(const at::Tensor& probabilities, const data::Dataset& dataset) {
  return probabilities.argmax(1).eq(dataset.labels()).to(at::kDouble).mean().item<double>();
}

class TeachersTest : public ::testing::Test {
 protected:
  MethodContext Context(const std::vector<data::Dataset>& held_out = {}) {
    return {*scene_.model, scene_.sources, scene_.target, at::kCPU,
            settings_,     scene_.inputs,  held_out,      /*seed=*/1};
  }

  Scene scene_;
  const Settings settings_{Hyperparameters()};
  train::StopSignal stop_{[] { return train::Directive::kContinue; }};
};

// Texts of 24 words of which each class has eight of its own, the second half of them rare in the
// source.
data::Dataset Texts(int64_t samples, uint64_t seed, double rare) {
  const at::Tensor labels = at::arange(samples, at::kLong).remainder(kClasses);
  at::Tensor chance = at::full({samples, 24}, 0.05);
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t first = labels[i].item<int64_t>() * 8;
    chance[i].narrow(0, first, 4).fill_(0.4);
    chance[i].narrow(0, first + 4, 4).fill_(rare);
  }
  const at::Tensor counts =
      at::rand({samples, 24}, at::detail::createCPUGenerator(seed)).lt(chance).to(at::kFloat) * 3;
  return data::Dataset::FromTensors(counts, labels, "texts").value();
}

TEST_F(TeachersTest, TheTableTeacherSeesThroughAShiftOfEachCoordinate) {
  const at::Tensor gain = at::tensor({0.2, 3.0, 1.0, 8.0, 0.5, 2.0}, at::kFloat);
  const at::Tensor offset = at::tensor({4.0, -9.0, 0.0, 5.0, 1.0, -3.0}, at::kFloat);
  const data::Dataset plain = Blobs(60, {6}, 5), held_out = Blobs(30, {6}, 9);
  scene_.target =
      data::Dataset::FromTensors(plain.stored_inputs() * gain + offset, {}, "target").value();
  const ClassicalPredictions predictions =
      TableTeacherPredictions(Context({held_out}), {}, stop_).value();
  EXPECT_GT(RightOf(predictions.target, plain), 0.9);
  EXPECT_GT(RightOf(predictions.held_out, held_out), 0.9);
  EXPECT_EQ(HeldOutAccuracy(predictions, Context({held_out})),
            RightOf(predictions.held_out, held_out));
}

TEST_F(TeachersTest, TheTableTeacherReadsTheFilesUnits) {
  const at::Tensor before = TableTeacherPredictions(Context(), {}, stop_)->target;
  ASSERT_TRUE(scene_.target.SetNormalization({{5.0}, {0.1}}).ok());
  EXPECT_TRUE(at::equal(TableTeacherPredictions(Context(), {}, stop_)->target, before));
}

TEST_F(TeachersTest, TheTextTeacherLearnsWordsOfTheTarget) {
  scene_.sources = {Texts(120, 1, 0.05)};
  scene_.target = Texts(300, 2, 0.4);
  const data::Dataset held_out = Texts(60, 3, 0.05);
  const ClassicalPredictions predictions =
      TextTeacherPredictions(Context({held_out}), {}, stop_).value();
  EXPECT_GT(RightOf(predictions.target, scene_.target), 0.75);
  EXPECT_GT(RightOf(predictions.held_out, held_out), 0.6);
  // Only which words are there counts.
  const data::Dataset once =
      data::Dataset::FromTensors(scene_.target.stored_inputs() / 3, {}, "target").value();
  scene_.target = once;
  EXPECT_TRUE(at::equal(TextTeacherPredictions(Context({held_out}), {}, stop_)->target,
                        predictions.target));
}

TEST_F(TeachersTest, TurnAwayWhatTheyDoNotFit) {
  EXPECT_EQ(CheckTextTeacher(Context()).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(CheckTextTeacher(Context()).message()),
              ::testing::StartsWith("target: has a value -"));
  scene_ = Scene("dtn", {1, 8, 8});
  for (const char* name : {"table_teacher", "text_teacher"}) {
    const auto task = FindMethod(name)->make_task(Context());
    EXPECT_EQ(std::string(task.status().message()),
              std::string("target: samples have shape [1, 8, 8], ") + name + " takes vectors");
  }
}

TEST_F(TeachersTest, TheOneThatFitsIsAsked) {
  EXPECT_EQ(FittingTeacher(Context()), "table_teacher");
  EXPECT_TRUE(at::equal(PredictClassically(Context(), stop_).value()->target,
                        TableTeacherPredictions(Context(), {}, stop_)->target));
  scene_.sources = {Texts(60, 1, 0.4)};
  scene_.target = Texts(60, 2, 0.4);
  EXPECT_EQ(FittingTeacher(Context()), "table_teacher");  // a seventh of the words are there
  const auto sparse = [](const data::Dataset& texts) {
    const at::Tensor rare = at::zeros({texts.size(), 100});
    return data::Dataset::FromTensors(at::cat({texts.stored_inputs(), rare}, 1), texts.labels(),
                                      "texts")
        .value();
  };
  scene_.sources = {sparse(scene_.sources[0])};
  scene_.target = sparse(scene_.target);
  EXPECT_EQ(FittingTeacher(Context()), "text_teacher");
  EXPECT_TRUE(at::equal(PredictClassically(Context(), stop_).value()->target,
                        TextTeacherPredictions(Context(), {}, stop_)->target));
  scene_.sources.clear();
  EXPECT_EQ(FittingTeacher(Context()), "");
  EXPECT_FALSE(PredictClassically(Context(), stop_).value().has_value());
}

TEST_F(TeachersTest, TheNetworkLearnsWhatTheTeacherPredicts) {
  const data::Dataset labelled = scene_.target;
  const at::Tensor teacher = TableTeacherPredictions(Context(), {}, stop_)->target;
  const auto task =
      scene_.Task("table_teacher", {{"steps", int64_t{200}}, {"batch_size", int64_t{16}}});
  ASSERT_TRUE(scene_.Train(*task).ok());
  EXPECT_GT(task->Metrics().at("teacher_agreement"), 0.95);
  EXPECT_GT(RightOf(teacher, labelled), 0.9);
}

}  // namespace
}  // namespace acclimate::methods
