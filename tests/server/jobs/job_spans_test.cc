#include "server/jobs/job_spans.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/proto_time.h"

namespace acclimate::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using tracing::Span;

absl::Time At(int seconds) { return absl::FromUnixSeconds(1700000000 + seconds); }

// Created at 0, leased at 2, ended at 10.
v1::Job EndedJob(const std::string& traceparent) {
  v1::Job job;
  job.set_name("tenants/a/jobs/b");
  job.mutable_spec()->set_method("shot");
  job.set_state(v1::JOB_STATE_SUCCEEDED);
  job.set_traceparent(traceparent);
  *job.mutable_create_time() = ToProtoTimestamp(At(0));
  *job.mutable_end_time() = ToProtoTimestamp(At(10));
  v1::Attempt& attempt = *job.add_attempts();
  attempt.set_number(1);
  *attempt.mutable_start_time() = ToProtoTimestamp(At(2));
  *attempt.mutable_end_time() = ToProtoTimestamp(At(10));
  return job;
}

std::vector<std::string> Names(const std::vector<Span>& spans) {
  std::vector<std::string> names;
  for (const Span& span : spans) names.push_back(span.name);
  return names;
}

const std::string kSampled = ToTraceparent(NewTrace(true));

TEST(JobSpansTest, AnAttemptHasItsWaitAndItsPhases) {
  const std::vector<Span> spans =
      SpansOfAttempt(EndedJob(kSampled), {{"loading_data", At(3)}, {"training", At(5)}});
  ASSERT_THAT(Names(spans), ElementsAre("queue", "loading_data", "training", "attempt", "job"));
  EXPECT_EQ(spans[0].start, At(0));
  EXPECT_EQ(spans[0].end, At(2));
  EXPECT_EQ(spans[1].start, At(3));
  EXPECT_EQ(spans[1].end, At(5));
  EXPECT_EQ(spans[2].end, At(10));
  EXPECT_EQ(spans[3].start, At(2));
  EXPECT_EQ(spans[1].parent_span_id, spans[3].context.span_id);
  EXPECT_EQ(spans[3].parent_span_id, spans[4].context.span_id);
  EXPECT_EQ(spans[4].parent_span_id, ParseTraceparent(kSampled)->span_id);
  EXPECT_EQ(std::get<std::string>(spans[4].attributes.at("acclimate.tenant")), "a");
  EXPECT_FALSE(spans[4].failed);
}

TEST(JobSpansTest, AnInterruptedAttemptDoesNotEndTheJob) {
  v1::Job job = EndedJob(kSampled);
  job.set_state(v1::JOB_STATE_QUEUED);
  job.clear_end_time();
  job.mutable_attempts(0)->set_cause(v1::ATTEMPT_CAUSE_LOST);
  const std::vector<Span> first = SpansOfAttempt(job, {});
  ASSERT_THAT(Names(first), ElementsAre("queue", "attempt"));
  EXPECT_TRUE(first[1].failed);
  // The next one waited since the end of the first, and has spans of its own in the same job.
  v1::Attempt& attempt = *job.add_attempts();
  attempt.set_number(2);
  *attempt.mutable_start_time() = ToProtoTimestamp(At(14));
  *attempt.mutable_end_time() = ToProtoTimestamp(At(20));
  job.set_state(v1::JOB_STATE_FAILED);
  *job.mutable_end_time() = ToProtoTimestamp(At(20));
  job.mutable_error()->set_message("the reason");
  const std::vector<Span> second = SpansOfAttempt(job, {});
  ASSERT_THAT(Names(second), ElementsAre("queue", "attempt", "job"));
  EXPECT_EQ(second[0].start, At(10));
  EXPECT_EQ(second[0].end, At(14));
  EXPECT_EQ(second[1].parent_span_id, first[1].parent_span_id);
  EXPECT_NE(second[1].context.span_id, first[1].context.span_id);
  EXPECT_TRUE(second[2].failed);
  EXPECT_EQ(second[2].error, "the reason");
}

TEST(JobSpansTest, NoTwoSpansOfATraceShareAnId) {
  v1::Job job = EndedJob(kSampled), other = EndedJob(kSampled);
  other.set_name("tenants/a/jobs/c");  // created by the same call's caller
  const std::vector<PhaseStart> phases = {{"loading_data", At(3)}, {"training", At(5)}};
  std::vector<Span> spans = SpansOfAttempt(job, phases);
  v1::Attempt& second = *job.add_attempts();
  second = job.attempts(0);
  second.set_number(2);
  job.clear_end_time();
  job.set_state(v1::JOB_STATE_QUEUED);
  for (const std::vector<Span>& more :
       {SpansOfAttempt(job, phases), SpansOfAttempt(other, phases)}) {
    spans.insert(spans.end(), more.begin(), more.end());
  }
  std::set<std::string> ids;
  for (const Span& span : spans) ids.insert(span.context.span_id);
  EXPECT_EQ(ids.size(), spans.size());
}

TEST(JobSpansTest, AJobCancelledInTheQueueHasItsWait) {
  v1::Job job = EndedJob(kSampled);
  job.clear_attempts();
  job.set_state(v1::JOB_STATE_CANCELLED);
  const std::vector<Span> spans = SpansOfQueued(job);
  ASSERT_THAT(Names(spans), ElementsAre("queue", "job"));
  EXPECT_EQ(spans[0].end, At(10));
}

TEST(JobSpansTest, WithoutASampledTraceThereAreNone) {
  for (const std::string& traceparent : {std::string(), ToTraceparent(NewTrace(false))}) {
    EXPECT_THAT(SpansOfAttempt(EndedJob(traceparent), {}), IsEmpty());
    EXPECT_THAT(SpansOfQueued(EndedJob(traceparent)), IsEmpty());
  }
  EXPECT_EQ(TraceIdOf(EndedJob("")), "");
  EXPECT_EQ(TraceIdOf(EndedJob(kSampled)), ParseTraceparent(kSampled)->trace_id);
}

}  // namespace
}  // namespace acclimate::jobs
