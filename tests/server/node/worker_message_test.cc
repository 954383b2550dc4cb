#include "server/node/worker_message.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/protocol/message_limits.h"

namespace acclimate::node {
namespace {

using ::testing::HasSubstr;

void ExpectRefused(const v1::WorkerToNode& message, const char* why) {
  const absl::Status status = CheckWorkerMessage(message);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << message.ShortDebugString();
  EXPECT_THAT(std::string(status.message()), HasSubstr(why));
}

v1::WorkerToNode Training() {
  v1::WorkerToNode message;
  v1::Progress& progress = *message.mutable_progress();
  progress.set_phase("training");
  progress.set_step(3);
  progress.set_step_seconds(0.25);
  (*progress.mutable_metrics())["loss"] = 1;
  return message;
}

TEST(WorkerMessageTest, WhatAnHonestWorkerSendsPasses) {
  EXPECT_TRUE(CheckWorkerMessage(Training()).ok());
  v1::WorkerToNode message;
  message.set_warning("a warning");
  EXPECT_TRUE(CheckWorkerMessage(message).ok());
  message.mutable_training_state()->set_file("state.bin");
  EXPECT_TRUE(CheckWorkerMessage(message).ok());
  message.mutable_finished()->add_files("model.pt");
  message.mutable_finished()->set_precision("bf16");
  EXPECT_TRUE(CheckWorkerMessage(message).ok());
}

TEST(WorkerMessageTest, AnUnknownKindIsRefused) {
  ExpectRefused({}, "unexpected");
  v1::WorkerToNode ready;
  ready.mutable_ready();
  ExpectRefused(ready, "unexpected");
}

TEST(WorkerMessageTest, ProgressThatCannotBeIsRefused) {
  v1::WorkerToNode message = Training();
  message.mutable_progress()->set_phase("mining");
  ExpectRefused(message, "unknown phase");
  for (double seconds :
       {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    message = Training();
    message.mutable_progress()->set_step_seconds(seconds);
    ExpectRefused(message, "cannot be");
  }
  for (int64_t step : {int64_t{-1}, int64_t{1} << 41}) {
    message = Training();
    message.mutable_progress()->set_step(step);
    ExpectRefused(message, "cannot be");
  }
  message = Training();
  message.mutable_progress()->set_samples(-1);
  ExpectRefused(message, "cannot be");
}

TEST(WorkerMessageTest, MetricsHaveACountAndNamesALength) {
  v1::WorkerToNode progress = Training(), finished;
  for (auto* metrics : {progress.mutable_progress()->mutable_metrics(),
                        finished.mutable_finished()->mutable_metrics()}) {
    metrics->clear();
    for (int i = 0; i < protocol::kMaxMetrics; ++i) (*metrics)[absl::StrCat("m", i)] = i;
  }
  EXPECT_TRUE(CheckWorkerMessage(progress).ok());
  EXPECT_TRUE(CheckWorkerMessage(finished).ok());
  (*progress.mutable_progress()->mutable_metrics())["one more"] = 0;
  (*finished.mutable_finished()->mutable_metrics())["one more"] = 0;
  ExpectRefused(progress, "too many metrics");
  ExpectRefused(finished, "too many metrics");

  progress = Training();
  const std::string longest(protocol::kMaxMetricNameBytes, 'm');
  (*progress.mutable_progress()->mutable_metrics())[longest] = 0;
  EXPECT_TRUE(CheckWorkerMessage(progress).ok());
  (*progress.mutable_progress()->mutable_metrics())[longest + "m"] = 0;
  ExpectRefused(progress, "too long a name");
}

TEST(WorkerMessageTest, FilesHaveACountAndNamesALength) {
  v1::WorkerToNode message;
  for (int i = 0; i < protocol::kMaxOutputs; ++i) message.mutable_finished()->add_files("f");
  EXPECT_TRUE(CheckWorkerMessage(message).ok());
  message.mutable_finished()->add_files("f");
  ExpectRefused(message, "too many files");
  const std::string too_long(protocol::kMaxFileNameBytes + 1, 'f');
  message.mutable_finished()->clear_files();
  message.mutable_finished()->add_files(too_long);
  ExpectRefused(message, "too long a name");
  message.mutable_training_state()->set_file(too_long);
  ExpectRefused(message, "too long a name");
}

TEST(WorkerMessageTest, APrecisionIsOneThatThereIs) {
  v1::WorkerToNode message;
  message.mutable_finished()->set_precision(std::string(1000, '8'));
  ExpectRefused(message, "precision");
}

}  // namespace
}  // namespace acclimate::node
