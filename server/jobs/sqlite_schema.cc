#include "server/jobs/sqlite_schema.h"

#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/jobs/blob_references.h"

namespace acclimate::jobs {
namespace {

struct Step {
  const char* sql;
  absl::Status (*fill)(Connection&) = nullptr;  // after it, in the same transaction
};

// Step i takes a file from version i to i + 1. Never changed once released; only added to.
constexpr Step kSteps[] = {
    // The message `proto` is the truth; the other columns are there to be searched.
    {R"sql(
      CREATE TABLE jobs (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        tenant TEXT NOT NULL,
        state INTEGER NOT NULL,
        method TEXT NOT NULL,
        priority INTEGER NOT NULL,
        proto BLOB NOT NULL);
      CREATE INDEX jobs_queue ON jobs (priority DESC, sequence) WHERE state = 1;
      CREATE INDEX jobs_by_state ON jobs (state, sequence);
      CREATE INDEX jobs_counts ON jobs (state, method);
      CREATE INDEX jobs_of_tenant ON jobs (tenant, sequence);
      CREATE INDEX jobs_of_tenant_by_state ON jobs (tenant, state, sequence);
      CREATE INDEX jobs_of_tenant_by_method ON jobs (tenant, method, sequence);
      CREATE TABLE labels (
        sequence INTEGER NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (sequence, key)) WITHOUT ROWID;
      CREATE TABLE events (
        sequence INTEGER NOT NULL,
        cursor INTEGER NOT NULL,
        proto BLOB NOT NULL,
        PRIMARY KEY (sequence, cursor)) WITHOUT ROWID;
      CREATE TABLE requests (
        tenant TEXT NOT NULL,
        request_id TEXT NOT NULL,
        spec_digest TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        PRIMARY KEY (tenant, request_id)) WITHOUT ROWID;
      CREATE INDEX requests_of_job ON requests (sequence);
    )sql"},
    {R"sql(
      CREATE TABLE blob_references (
        sequence INTEGER NOT NULL,
        origin INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        tenant TEXT NOT NULL,
        PRIMARY KEY (sequence, origin, sha256)) WITHOUT ROWID;
      CREATE INDEX blob_references_by_blob ON blob_references (tenant, sha256);
    )sql",
     AddAllReferences},
    // Queued, but not to be leased yet.
    {R"sql(
      ALTER TABLE jobs ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;
      CREATE INDEX jobs_that_wait ON jobs (sequence) WHERE waits = 1;
    )sql"},
    // What jobs of a kind have needed (memory_estimates.h).
    {R"sql(
      CREATE TABLE memory_peaks (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL UNIQUE,
        bytes INTEGER NOT NULL);
    )sql"},
    // Up to which event those of an ended job have been thinned out; -1: all (event_compaction.h).
    {R"sql(
      ALTER TABLE jobs ADD COLUMN compacted INTEGER NOT NULL DEFAULT 0;
      CREATE INDEX jobs_to_compact ON jobs (sequence) WHERE compacted >= 0 AND state >= 7;
    )sql"},
};

absl::Status Run(const Step& step, int64_t version, Connection& connection) {
  absl::Status status = connection.Execute(absl::StrCat("BEGIN IMMEDIATE;", step.sql));
  if (status.ok() && step.fill != nullptr) status = step.fill(connection);
  if (status.ok()) {
    status = connection.Execute(absl::StrCat("PRAGMA user_version=", version, ";COMMIT"));
  }
  if (!status.ok()) connection.Execute("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace

absl::Status UpgradeSchema(Connection& connection) {
  int64_t version = 0;
  {
    Statement statement = connection.Prepare("PRAGMA user_version");
    absl::StatusOr<bool> row = statement.Step();
    if (!row.ok()) return row.status();
    version = statement.Integer(0);
  }
  const int64_t newest = static_cast<int64_t>(std::size(kSteps));
  if (version > newest) {
    return absl::FailedPreconditionError(absl::StrCat("the job store has schema version ", version,
                                                      "; this program knows versions up to ",
                                                      newest));
  }
  for (; version < newest; ++version) {
    absl::Status status = Run(kSteps[version], version + 1, connection);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace acclimate::jobs
