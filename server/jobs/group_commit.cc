#include "server/jobs/group_commit.h"

#include <utility>

#include "absl/time/clock.h"

namespace acclimate::jobs {

GroupCommit::GroupCommit(std::unique_ptr<Connection> connection, metrics::ServerMetrics* metrics)
    : connection_(std::move(connection)), metrics_(metrics), thread_([this] { Loop(); }) {}

GroupCommit::~GroupCommit() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  thread_.join();
}

absl::Status GroupCommit::Run(const Change& change) {
  Request request{&change, absl::OkStatus()};
  absl::MutexLock lock(&mutex_);
  waiting_.push_back(&request);
  mutex_.Await(absl::Condition(&request.done));
  return request.status;
}

void GroupCommit::Loop() {
  while (true) {
    std::vector<Request*> batch;
    {
      absl::MutexLock lock(&mutex_, absl::Condition(this, &GroupCommit::HasWork));
      if (waiting_.empty()) return;
      batch.swap(waiting_);
    }
    Commit(batch);
    absl::MutexLock lock(&mutex_);
    for (Request* request : batch) request->done = true;
  }
}

void GroupCommit::Commit(const std::vector<Request*>& batch) {
  const absl::Time start = absl::Now();
  const int64_t changes_before = connection_->TotalChanges();
  if (absl::Status status = Apply(batch); !status.ok()) {
    // The transaction may be over already; then there is nothing to undo.
    connection_->Execute("ROLLBACK").IgnoreError();
    for (Request* request : batch) {
      if (request->status.ok()) request->status = status;
    }
    return;
  }
  if (connection_->TotalChanges() == changes_before) return;  // nothing went to the disk
  metrics_->ObserveStoreCommit(absl::Now() - start, static_cast<int64_t>(batch.size()));
}

absl::Status GroupCommit::Apply(const std::vector<Request*>& batch) {
  if (absl::Status status = connection_->Execute("BEGIN IMMEDIATE"); !status.ok()) return status;
  for (Request* request : batch) {
    if (absl::Status status = ApplyOne(*request); !status.ok()) return status;
  }
  return connection_->Execute("COMMIT");
}

absl::Status GroupCommit::ApplyOne(Request& request) {
  if (absl::Status status = connection_->Execute("SAVEPOINT change"); !status.ok()) return status;
  request.status = (*request.change)(*connection_);
  if (!request.status.ok()) {
    absl::Status status = connection_->Execute("ROLLBACK TO change");
    if (!status.ok()) return status;
  }
  return connection_->Execute("RELEASE change");
}

}  // namespace acclimate::jobs
