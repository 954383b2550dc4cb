// The tables of the job store, and how an older file is brought up to date.
#ifndef ACCLIMATE_SERVER_JOBS_SQLITE_SCHEMA_H_
#define ACCLIMATE_SERVER_JOBS_SQLITE_SCHEMA_H_

#include "absl/status/status.h"
#include "server/jobs/sqlite_database.h"

namespace acclimate::jobs {

// FAILED_PRECONDITION when the file was written by a newer program.
absl::Status UpgradeSchema(Connection& connection);

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_SQLITE_SCHEMA_H_
