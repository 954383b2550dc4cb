// A real store with jobs in the states that a test wants.
#ifndef ACCLIMATE_TESTS_SERVER_UI_JOB_FACTORY_H_
#define ACCLIMATE_TESTS_SERVER_UI_JOB_FACTORY_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "server/base/proto_time.h"
#include "server/jobs/job_change.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/metrics/server_metrics.h"
#include "tests/server/temporary_folder.h"

namespace acclimate::ui {

class JobFactory {
 public:
  explicit JobFactory(const TemporaryFolder& folder)
      : store_(*jobs::SqliteJobStore::Open(folder.File("jobs.sqlite"), &metrics_)) {}

  jobs::SqliteJobStore& store() { return *store_; }

  // `name` as "tenants/a/jobs/1".
  v1::Job Queue(const std::string& name, const v1::JobSpec& spec = {}) {
    auto created = store_->Create(jobs::NewJob(name, spec, absl::Now()), "", "");
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? created->job : v1::Job();
  }
  v1::Job Change(const std::string& name, const jobs::JobStore::Mutation& mutation) {
    auto job = store_->Update(name, mutation);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : v1::Job();
  }
  v1::Job Run(const std::string& name, const v1::JobSpec& spec = {}) {
    Queue(name, spec);
    return Change(name, [](jobs::JobChange& change) {
      absl::Status status = jobs::BeginAttempt(change, "node-1", absl::Now());
      return status.ok() ? jobs::ChangeState(change, v1::JOB_STATE_RUNNING, "started", absl::Now())
                         : status;
    });
  }
  v1::Job Progress(const std::string& name, int64_t step, double loss) {
    return Change(name, [&](jobs::JobChange& change) {
      v1::Progress progress;
      progress.set_phase("training");
      progress.set_step(step);
      progress.set_total_steps(1000);
      progress.set_step_seconds(0.5);
      (*progress.mutable_metrics())["loss"] = loss;
      jobs::AddProgress(change, progress, absl::Now());
      return absl::OkStatus();
    });
  }
  // Ends a running job at `end`.
  v1::Job End(const std::string& name, const jobs::AttemptOutcome& outcome,
              absl::Time end = absl::Now(), const jobs::RetryPolicy& policy = {/*max_retries=*/0}) {
    return Change(name, [&](jobs::JobChange& change) {
      return jobs::EndAttempt(change, outcome, policy, /*jitter=*/0, end);
    });
  }

  metrics::ServerMetrics& metrics() { return metrics_; }

 private:
  metrics::ServerMetrics metrics_;
  std::unique_ptr<jobs::SqliteJobStore> store_;
};

}  // namespace acclimate::ui

#endif  // ACCLIMATE_TESTS_SERVER_UI_JOB_FACTORY_H_
