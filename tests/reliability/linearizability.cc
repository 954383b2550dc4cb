#include "tests/reliability/linearizability.h"

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

namespace acclimate::reliability {
namespace {

using Kind = Operation::Kind;

// The job as calls find it; UNSPECIFIED: not there yet.
struct Model {
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  int64_t cursor = 0;
};

struct Answer {
  absl::StatusCode code = absl::StatusCode::kOk;
  Model after;
};

Answer Move(const Model& job, v1::JobState to) {
  return {absl::StatusCode::kOk, {to, job.cursor + 1}};
}

Answer Apply(Kind kind, const Model& job) {
  const Answer same = {absl::StatusCode::kOk, job};
  const Answer refused = {absl::StatusCode::kFailedPrecondition, job};
  const bool queued = job.state == v1::JOB_STATE_QUEUED, paused = job.state == v1::JOB_STATE_PAUSED;
  if (kind == Kind::kCreate) {
    return job.cursor == 0 ? Move(job, v1::JOB_STATE_QUEUED) : same;
  }
  if (job.cursor == 0) return {absl::StatusCode::kNotFound, job};
  switch (kind) {
    case Kind::kCancel:
      return queued || paused ? Move(job, v1::JOB_STATE_CANCELLED) : refused;
    case Kind::kPause:
      return queued ? Move(job, v1::JOB_STATE_PAUSED) : paused ? same : refused;
    case Kind::kResume:
      return paused ? Move(job, v1::JOB_STATE_QUEUED) : refused;
    default:
      return same;
  }
}

bool Answers(const Operation& operation, const Answer& answer) {
  if (operation.code != answer.code) return false;
  return answer.code != absl::StatusCode::kOk ||
         (operation.state == answer.after.state && operation.cursor == answer.after.cursor);
}

class Search {
 public:
  explicit Search(const std::vector<Operation>& history) : history_(history) {}

  // `done`: one bit for each operation that has its place.
  bool From(uint64_t done, const Model& job) {
    if (done == All()) return true;
    if (!seen_.insert({done, job.state, job.cursor}).second) return false;
    int64_t first_return = INT64_MAX;
    for (size_t i = 0; i < history_.size(); ++i) {
      if (!Has(done, i)) first_return = std::min(first_return, history_[i].returned);
    }
    for (size_t i = 0; i < history_.size(); ++i) {
      if (Has(done, i) || history_[i].invoked > first_return) continue;
      const Answer answer = Apply(history_[i].kind, job);
      if (Answers(history_[i], answer) && From(done | Bit(i), answer.after)) return true;
    }
    return false;
  }

 private:
  static uint64_t Bit(size_t i) { return uint64_t{1} << i; }
  static bool Has(uint64_t done, size_t i) { return (done & Bit(i)) != 0; }
  uint64_t All() const { return history_.size() == 64 ? ~uint64_t{0} : Bit(history_.size()) - 1; }

  const std::vector<Operation>& history_;
  std::set<std::tuple<uint64_t, v1::JobState, int64_t>> seen_;
};

}  // namespace

bool IsLinearizable(const std::vector<Operation>& history) {
  return history.size() <= 64 && Search(history).From(0, Model());
}

}  // namespace acclimate::reliability
