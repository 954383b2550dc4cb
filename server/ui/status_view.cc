#include "server/ui/status_view.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/strip.h"
#include "server/base/errors.h"
#include "server/base/proto_time.h"
#include "server/base/resource_names.h"
#include "server/jobs/state_machine.h"

namespace acclimate::ui {
namespace {

using Order = jobs::StateQuery::Order;

// The store finds jobs by when they were created; the last to end are sought among so many.
constexpr int kEndedSearched = 100;

constexpr v1::JobState kActiveStates[] = {v1::JOB_STATE_RUNNING, v1::JOB_STATE_STARTING,
                                          v1::JOB_STATE_CANCELLING, v1::JOB_STATE_PAUSING,
                                          v1::JOB_STATE_PAUSED};

FailureView FailureOf(const v1::Job& job) {
  FailureView failure;
  const absl::Status error = FromRpcStatus(job.error());
  failure.code = absl::StatusCodeToString(error.code());
  failure.reason = ReasonOf(error);
  failure.message = std::string(error.message());
  if (job.attempts().empty()) return failure;
  const v1::Attempt& attempt = *job.attempts().rbegin();
  absl::string_view cause = v1::AttemptCause_Name(attempt.cause());
  absl::ConsumePrefix(&cause, "ATTEMPT_CAUSE_");
  failure.cause = std::string(cause);
  failure.last_phase = attempt.last_phase();
  failure.stderr_tail = attempt.stderr_tail();
  failure.signal = attempt.signal();
  failure.exit_code = attempt.exit_code();
  return failure;
}

std::optional<absl::Duration> RemainingOf(const v1::Progress& progress) {
  const int64_t steps = progress.total_steps() - progress.step();
  if (progress.phase() != "training" || steps <= 0 || progress.step_seconds() <= 0) {
    return std::nullopt;
  }
  return absl::Seconds(progress.step_seconds()) * steps;
}

std::optional<absl::Time> TimeOf(bool has, const google::protobuf::Timestamp& time) {
  if (!has) return std::nullopt;
  return FromProtoTimestamp(time);
}

absl::Status Add(jobs::JobStore& store, const jobs::StateQuery& query,
                 std::vector<JobView>& views) {
  const absl::StatusOr<std::vector<v1::Job>> found = store.Select(query);
  if (!found.ok()) return found.status();
  std::transform(found->begin(), found->end(), std::back_inserter(views), &ViewOf);
  return absl::OkStatus();
}

void KeepLastToEnd(std::vector<JobView>& views) {
  std::stable_sort(views.begin(), views.end(),
                   [](const JobView& a, const JobView& b) { return a.ended > b.ended; });
  if (views.size() > kMaxEndedShown) views.resize(kMaxEndedShown);
}

}  // namespace

JobView ViewOf(const v1::Job& job) {
  JobView view;
  view.name = job.name();
  if (const absl::StatusOr<ResourceName> name = ParseJobName(job.name()); name.ok()) {
    view.tenant = name->tenant;
    view.id = name->id;
  }
  view.state = std::string(jobs::ShortName(job.state()));
  view.method = job.spec().method();
  view.target = job.spec().target().display_name();
  view.labels.insert(job.spec().labels().begin(), job.spec().labels().end());
  view.priority = job.spec().priority();
  view.attempts = job.attempts_size();
  if (!job.attempts().empty()) {
    const v1::Attempt& attempt = *job.attempts().rbegin();
    view.node = attempt.node();
    view.attempt_started = TimeOf(attempt.has_start_time(), attempt.start_time());
  }
  view.created = FromProtoTimestamp(job.create_time());
  view.changed = FromProtoTimestamp(job.update_time());
  view.started = TimeOf(job.has_start_time(), job.start_time());
  view.ended = TimeOf(job.has_end_time(), job.end_time());
  view.progress = job.progress();
  view.remaining = RemainingOf(job.progress());
  view.last_cursor = job.last_cursor();
  view.result_metrics.insert(job.result().metrics().begin(), job.result().metrics().end());
  view.warnings.assign(job.result().warnings().begin(), job.result().warnings().end());
  view.has_report = std::any_of(job.result().files().begin(), job.result().files().end(),
                                [](const v1::OutputFile& file) { return file.name() == kReport; });
  if (job.state() == v1::JOB_STATE_FAILED) view.failure = FailureOf(job);
  return view;
}

absl::Status AddJobs(jobs::JobStore& store, const jobs::Tenants& tenants, StatusView& view) {
  absl::StatusOr<std::map<v1::JobState, int64_t>> counts = store.CountsOf(tenants);
  if (!counts.ok()) return counts.status();
  view.counts = *std::move(counts);
  const absl::StatusOr<std::vector<v1::Job>> oldest =
      store.Select({v1::JOB_STATE_QUEUED, tenants, Order::kOldest, 1});
  if (!oldest.ok()) return oldest.status();
  if (!oldest->empty()) view.oldest_queued = FromProtoTimestamp(oldest->front().update_time());
  absl::Status status =
      Add(store, {v1::JOB_STATE_QUEUED, tenants, Order::kPriority, kMaxQueuedShown}, view.queued);
  for (const v1::JobState state : kActiveStates) {
    const int left = kMaxActiveShown - static_cast<int>(view.active.size());
    if (status.ok() && left > 0) {
      status = Add(store, {state, tenants, Order::kOldest, left}, view.active);
    }
  }
  const auto add_ended = [&](v1::JobState state, std::vector<JobView>& views) {
    if (status.ok()) status = Add(store, {state, tenants, Order::kNewest, kEndedSearched}, views);
  };
  add_ended(v1::JOB_STATE_FAILED, view.failed);
  add_ended(v1::JOB_STATE_SUCCEEDED, view.ended);
  add_ended(v1::JOB_STATE_CANCELLED, view.ended);
  KeepLastToEnd(view.failed);
  KeepLastToEnd(view.ended);
  return status;
}

}  // namespace acclimate::ui
