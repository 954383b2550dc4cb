#include "server/jobs/job_spans.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/proto_time.h"
#include "server/base/resource_names.h"
#include "server/jobs/state_machine.h"

namespace acclimate::jobs {
namespace {

using tracing::Span;

Span Child(const TraceContext& parent, absl::string_view key, std::string name, absl::Time start,
           absl::Time end) {
  Span span;
  span.context = NamedChildOf(parent, key);
  span.parent_span_id = parent.span_id;
  span.name = std::move(name);
  span.start = start;
  span.end = end;
  return span;
}

Span JobSpan(const v1::Job& job, const TraceContext& call) {
  Span span = Child(call, job.name(), "job", FromProtoTimestamp(job.create_time()),
                    FromProtoTimestamp(job.end_time()));
  span.attributes = {{"acclimate.job", job.name()},
                     {"acclimate.method", job.spec().method()},
                     {"acclimate.state", std::string(ShortName(job.state()))},
                     {"acclimate.attempts", int64_t{job.attempts_size()}}};
  if (const std::string tenant = TenantOfJob(job.name()); !tenant.empty()) {
    span.attributes["acclimate.tenant"] = tenant;
  }
  span.failed = job.state() == v1::JOB_STATE_FAILED;
  span.error = job.error().message();
  return span;
}

std::optional<TraceContext> SampledCall(const v1::Job& job) {
  const std::optional<TraceContext> call = ParseTraceparent(job.traceparent());
  return call.has_value() && call->sampled ? call : std::nullopt;
}

// The wait before attempt `number`, which ended at `end`.
Span QueueSpan(const v1::Job& job, const TraceContext& parent, int number, absl::Time end) {
  const absl::Time start =
      FromProtoTimestamp(number == 1 ? job.create_time() : job.attempts(number - 2).end_time());
  return Child(parent, absl::StrCat("queue ", number), "queue", start, end);
}

void AddAttemptSpans(const v1::Attempt& attempt, const TraceContext& parent,
                     const std::vector<PhaseStart>& phases, std::vector<Span>& spans) {
  const absl::Time end = FromProtoTimestamp(attempt.end_time());
  Span span = Child(parent, absl::StrCat("attempt ", attempt.number()), "attempt",
                    FromProtoTimestamp(attempt.start_time()), end);
  span.attributes = {{"acclimate.attempt", int64_t{attempt.number()}},
                     {"acclimate.node", attempt.node()}};
  if (attempt.cause() != v1::ATTEMPT_CAUSE_UNSPECIFIED) {
    span.attributes["acclimate.cause"] = v1::AttemptCause_Name(attempt.cause());
    span.failed = attempt.cause() != v1::ATTEMPT_CAUSE_CANCELLED;
    span.error = attempt.message();
  }
  for (size_t i = 0; i < phases.size(); ++i) {
    const absl::Time phase_end = i + 1 < phases.size() ? phases[i + 1].time : end;
    spans.push_back(
        Child(span.context, absl::StrCat("phase ", i), phases[i].phase, phases[i].time, phase_end));
  }
  spans.push_back(std::move(span));
}

}  // namespace

std::vector<Span> SpansOfAttempt(const v1::Job& job, const std::vector<PhaseStart>& phases) {
  const std::optional<TraceContext> call = SampledCall(job);
  if (!call.has_value()) return {};
  const Span whole = JobSpan(job, *call);
  const v1::Attempt& attempt = *job.attempts().rbegin();
  std::vector<Span> spans = {
      QueueSpan(job, whole.context, attempt.number(), FromProtoTimestamp(attempt.start_time()))};
  AddAttemptSpans(attempt, whole.context, phases, spans);
  if (IsTerminal(job.state())) spans.push_back(whole);
  return spans;
}

std::vector<Span> SpansOfQueued(const v1::Job& job) {
  const std::optional<TraceContext> call = SampledCall(job);
  if (!call.has_value()) return {};
  const Span whole = JobSpan(job, *call);
  return {QueueSpan(job, whole.context, job.attempts_size() + 1, whole.end), whole};
}

std::string TraceIdOf(const v1::Job& job) {
  const std::optional<TraceContext> context = ParseTraceparent(job.traceparent());
  return context.has_value() ? context->trace_id : "";
}

}  // namespace acclimate::jobs
