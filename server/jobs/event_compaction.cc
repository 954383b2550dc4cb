#include "server/jobs/event_compaction.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "acclimate/v1/job.pb.h"
#include "server/base/proto_time.h"
#include "server/jobs/stored_message.h"

namespace acclimate::jobs {
namespace {

constexpr int64_t kPointsKept = 1000;  // of a job, about
// Events that are looked at in one commit.
constexpr int64_t kEventsAtOnce = 2000;
constexpr int64_t kDone = -1;  // in the column `compacted`

absl::StatusOr<std::vector<v1::JobEvent>> Read(Connection& connection, const CompactionStep& step) {
  Statement statement = connection.Prepare(
      "SELECT proto FROM events WHERE sequence = ? AND cursor > ? ORDER BY cursor LIMIT ?");
  statement.Bind(step.sequence).Bind(step.after).Bind(kEventsAtOnce);
  std::vector<v1::JobEvent> events;
  while (true) {
    const absl::StatusOr<bool> more = statement.Step();
    if (!more.ok()) return more.status();
    if (!*more) return events;
    absl::Status status = ParseStored(statement.Bytes(0), events.emplace_back());
    if (!status.ok()) return status;
  }
}

// Whether the points are of one phase of one attempt.
bool Continues(const v1::JobEvent& a, const v1::JobEvent& b) {
  return a.has_progress() && b.has_progress() && a.attempt() == b.attempt() &&
         a.progress().phase() == b.progress().phase();
}

// At the ends of the stretch points stay, since it does not show what is beside them.
bool MayGo(const std::vector<v1::JobEvent>& events, size_t i, int64_t stride) {
  return i > 0 && i + 1 < events.size() && Continues(events[i - 1], events[i]) &&
         Continues(events[i], events[i + 1]) && events[i].cursor() % stride != 0;
}

absl::Status Drop(Connection& connection, int64_t sequence, const v1::JobEvent& first,
                  const v1::JobEvent& last) {
  Statement remove =
      connection.Prepare("DELETE FROM events WHERE sequence = ? AND cursor BETWEEN ? AND ?");
  remove.Bind(sequence).Bind(first.cursor()).Bind(last.cursor());
  if (absl::Status status = remove.Run(); !status.ok()) return status;
  v1::JobEvent dropped = last;
  dropped.mutable_dropped()->set_first_cursor(first.cursor());
  dropped.mutable_dropped()->set_last_cursor(last.cursor());
  const std::string proto = ToStored(dropped);
  Statement insert =
      connection.Prepare("INSERT INTO events (sequence, cursor, proto) VALUES (?, ?, ?)");
  return insert.Bind(sequence).Bind(last.cursor()).BindBlob(proto).Run();
}

// False: the job has been deleted.
absl::StatusOr<bool> IsThere(Connection& connection, int64_t sequence) {
  Statement statement = connection.Prepare("SELECT 1 FROM jobs WHERE sequence = ?");
  return statement.Bind(sequence).Step();
}

}  // namespace

absl::StatusOr<std::optional<CompactionStep>> NextCompactionStep(Connection& connection,
                                                                 absl::Time horizon) {
  Statement statement = connection.Prepare(
      "SELECT sequence, compacted, proto FROM jobs WHERE compacted >= 0 AND state >= 7 "
      "ORDER BY sequence");
  static_assert(v1::JOB_STATE_SUCCEEDED == 7 && v1::JOB_STATE_FAILED == 8 &&
                v1::JOB_STATE_CANCELLED == 9);
  while (true) {
    const absl::StatusOr<bool> more = statement.Step();
    if (!more.ok()) return more.status();
    if (!*more) return std::nullopt;
    v1::Job job;
    if (absl::Status status = ParseStored(statement.Bytes(2), job); !status.ok()) return status;
    if (FromProtoTimestamp(job.end_time()) >= horizon) continue;
    return CompactionStep{statement.Integer(0), statement.Integer(1), job.last_cursor()};
  }
}

absl::Status Compact(Connection& connection, const CompactionStep& step) {
  const absl::StatusOr<bool> there = IsThere(connection, step.sequence);
  if (!there.ok() || !*there) return there.status();
  const int64_t stride = step.last_cursor / kPointsKept;
  std::vector<v1::JobEvent> events;
  if (stride > 1) {
    absl::StatusOr<std::vector<v1::JobEvent>> read = Read(connection, step);
    if (!read.ok()) return read.status();
    events = *std::move(read);
  }
  for (size_t i = 0; i < events.size(); ++i) {
    if (!MayGo(events, i, stride)) continue;
    const size_t first = i;
    while (MayGo(events, i + 1, stride)) ++i;
    absl::Status status = Drop(connection, step.sequence, events[first], events[i]);
    if (!status.ok()) return status;
  }
  const bool done = static_cast<int64_t>(events.size()) < kEventsAtOnce;
  Statement note = connection.Prepare("UPDATE jobs SET compacted = ? WHERE sequence = ?");
  return note.Bind(done ? kDone : events.back().cursor()).Bind(step.sequence).Run();
}

}  // namespace acclimate::jobs
