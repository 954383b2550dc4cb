#include "server/tracing/span_exporter.h"

#include <deque>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "prometheus/collectable.h"
#include "prometheus/text_serializer.h"

namespace acclimate::tracing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSample[] = "acclimate_spans_total{result=\"";

class SpanExporterTest : public testing::Test {
 protected:
  SpanExporterTest() {
    options_.interval = absl::Milliseconds(1);
    options_.first_back_off = absl::Milliseconds(1);
  }

  // Answers with `answers_` in turn, then with OK; keeps the names of what was accepted.
  SpanExporter::Poster Poster() {
    return [this](const std::string& json, absl::Duration limit) -> absl::Status {
      EXPECT_LE(limit, options_.request_limit);
      absl::MutexLock lock(&mutex_);
      ++posts_;
      if (!answers_.empty()) {
        const absl::Status answer = answers_.front();
        answers_.pop_front();
        if (!answer.ok()) return answer;
      }
      const auto spans = nlohmann::json::parse(json)["resourceSpans"][0]["scopeSpans"][0]["spans"];
      for (const auto& span : spans) accepted_.push_back(span["name"]);
      return absl::OkStatus();
    };
  }
  void AwaitPosts(int posts) {
    const auto reached = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return posts_ >= posts; };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&reached));
  }
  std::vector<std::string> Accepted() {
    absl::MutexLock lock(&mutex_);
    return accepted_;
  }
  std::string Metrics() const {
    std::string text;
    for (const auto& collectable : metrics_.Collectables()) {
      text += prometheus::TextSerializer().Serialize(collectable->Collect());
    }
    return text;
  }
  static Span Named(const std::string& name) {
    Span span;
    span.name = name;
    return span;
  }

  metrics::ServerMetrics metrics_;
  SpanExporterOptions options_;
  absl::Mutex mutex_;
  std::deque<absl::Status> answers_ ABSL_GUARDED_BY(mutex_);
  int posts_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> accepted_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(SpanExporterTest, SendsWhatWaitsAtItsEnd) {
  options_.interval = absl::Hours(1);
  {
    SpanExporter exporter(Poster(), metrics_, options_);
    exporter.Add(Named("a"));
    exporter.Add(Named("b"));
  }
  EXPECT_THAT(Accepted(), ElementsAre("a", "b"));
  EXPECT_THAT(Metrics(), HasSubstr(std::string(kSample) + "exported\"} 2"));
}

TEST_F(SpanExporterTest, RepeatsWhatMaySucceedLater) {
  {
    absl::MutexLock lock(&mutex_);
    answers_ = {absl::UnavailableError("away"), absl::UnavailableError("still away")};
  }
  SpanExporter exporter(Poster(), metrics_, options_);
  exporter.Add(Named("a"));
  AwaitPosts(3);
  EXPECT_THAT(Accepted(), ElementsAre("a"));
  EXPECT_THAT(Metrics(), Not(HasSubstr(std::string(kSample) + "dropped")));
}

TEST_F(SpanExporterTest, DropsWhatIsRefusedAndGoesOn) {
  {
    absl::MutexLock lock(&mutex_);
    answers_ = {absl::FailedPreconditionError("400")};
  }
  {
    SpanExporter exporter(Poster(), metrics_, options_);
    exporter.Add(Named("a"));
    AwaitPosts(1);
    exporter.Add(Named("b"));
    AwaitPosts(2);
  }
  EXPECT_THAT(Accepted(), ElementsAre("b"));
  EXPECT_THAT(Metrics(), HasSubstr(std::string(kSample) + "dropped\"} 1"));
  EXPECT_THAT(Metrics(), HasSubstr(std::string(kSample) + "exported\"} 1"));
}

TEST_F(SpanExporterTest, ACollectorThatIsAwayCostsSpansAndNoMemory) {
  options_.max_waiting = 10;
  options_.first_back_off = absl::Hours(1);
  {
    absl::MutexLock lock(&mutex_);
    for (int i = 0; i < 100; ++i) answers_.push_back(absl::UnavailableError("away"));
  }
  {
    SpanExporter exporter(Poster(), metrics_, options_);
    exporter.Add(Named("first"));
    AwaitPosts(1);  // it is in the pause that follows
    for (int i = 0; i < 25; ++i) exporter.Add(Named("more"));
  }
  EXPECT_THAT(Accepted(), ElementsAre());
  EXPECT_THAT(Metrics(), HasSubstr(std::string(kSample) + "dropped\"} 26"));
}

TEST_F(SpanExporterTest, ASlowCollectorHoldsTheEndUpForTheLimitOnly) {
  options_.batch = 1;
  options_.stop_limit = absl::ZeroDuration();  // as if the time were over at once
  {
    SpanExporter exporter(Poster(), metrics_, options_);
    for (int i = 0; i < 8000; ++i) exporter.Add(Named("a"));
  }
  EXPECT_LT(Accepted().size(), 8000);
  EXPECT_THAT(Metrics(), HasSubstr(std::string(kSample) + "dropped"));
}

TEST_F(SpanExporterTest, ARequestHasNoMoreSpansThanABatch) {
  options_.batch = 4;
  options_.interval = absl::Hours(1);
  {
    SpanExporter exporter(Poster(), metrics_, options_);
    for (int i = 0; i < 10; ++i) exporter.Add(Named("a"));
  }
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(accepted_.size(), 10);
  EXPECT_EQ(posts_, 3);
}

}  // namespace
}  // namespace acclimate::tracing
