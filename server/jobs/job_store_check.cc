#include "server/jobs/job_store_check.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "acclimate/v1/job.pb.h"
#include "server/jobs/blob_references.h"
#include "server/jobs/sqlite_database.h"
#include "server/jobs/stored_message.h"

namespace acclimate::jobs {
namespace {

constexpr char kHealthy[] = "ok";

// What comes back of a statement, row by row.
absl::Status ForEachRow(Statement& statement, const std::function<void(Statement&)>& visit) {
  while (true) {
    absl::StatusOr<bool> more = statement.Step();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    visit(statement);
  }
}

absl::Status CheckPages(Connection& connection, const std::string& path,
                        const ProblemReport& report) {
  Statement statement = connection.Prepare("PRAGMA integrity_check");
  return ForEachRow(statement, [&](Statement& row) {
    const std::string line(row.Bytes(0));
    if (line != kHealthy) report(path, line);
  });
}

absl::Status CheckJobs(Connection& connection, const ProblemReport& report) {
  Statement statement = connection.Prepare("SELECT name, state, proto FROM jobs ORDER BY sequence");
  return ForEachRow(statement, [&](Statement& row) {
    const std::string name(row.Bytes(0));
    v1::Job job;
    if (!FromStored(row.Bytes(2), job)) {
      report(name, "the job cannot be read");
    } else if (job.name() != name || job.state() != row.Integer(1)) {
      report(name, "the job's name or state is not that of its row");
    }
  });
}

absl::Status CheckEvents(Connection& connection, const ProblemReport& report) {
  Statement statement = connection.Prepare(
      "SELECT IFNULL(name, 'job number ' || events.sequence), cursor, events.proto, name IS NULL "
      "FROM events LEFT JOIN jobs USING (sequence) ORDER BY events.sequence, cursor");
  return ForEachRow(statement, [&](Statement& row) {
    const std::string name(row.Bytes(0));
    v1::JobEvent event;
    if (row.Integer(3) != 0) {
      report(name, absl::StrCat("event ", row.Integer(1), " is of no job"));
    } else if (!FromStored(row.Bytes(2), event)) {
      report(name, absl::StrCat("event ", row.Integer(1), " cannot be read"));
    } else if (event.cursor() != row.Integer(1)) {
      report(name, absl::StrCat("event ", row.Integer(1), " has the cursor ", event.cursor()));
    }
  });
}

}  // namespace

absl::Status CheckJobStore(const std::string& path, const ProblemReport& report) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(path, true);
  if (!connection.ok()) return connection.status();
  for (const absl::Status& status :
       {CheckPages(**connection, path, report), CheckJobs(**connection, report),
        CheckEvents(**connection, report)}) {
    if (absl::IsDataLoss(status)) {
      report(path, std::string(status.message()));
    } else if (!status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<NeededBlob>> NeededBlobs(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(path, true);
  if (!connection.ok()) return connection.status();
  std::vector<NeededBlob> blobs;
  Statement statement = (*connection)
                            ->Prepare(
                                "SELECT blob_references.tenant, sha256, MIN(name) "
                                "FROM blob_references JOIN jobs USING (sequence) "
                                "GROUP BY blob_references.tenant, sha256 ORDER BY 1, 2");
  const absl::Status status = ForEachRow(statement, [&](Statement& row) {
    blobs.push_back(
        {std::string(row.Bytes(0)), std::string(row.Bytes(1)), std::string(row.Bytes(2))});
  });
  if (!status.ok()) return status;
  return blobs;
}

absl::StatusOr<bool> IsNeeded(const std::string& path, const NeededBlob& blob) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(path, true);
  if (!connection.ok()) return connection.status();
  return IsReferenced(**connection, blob.tenant, blob.sha256);
}

absl::Status CopyJobStore(const std::string& from, const std::string& to) {
  const std::string side = absl::StrCat(to, ".new");
  std::remove(side.c_str());
  {
    absl::StatusOr<std::unique_ptr<Connection>> source = Connection::Open(from, true);
    if (!source.ok()) return source.status();
    absl::StatusOr<std::unique_ptr<Connection>> copy = Connection::Open(side, false);
    if (!copy.ok()) return copy.status();
    if (absl::Status status = (*source)->CopyTo(**copy); !status.ok()) return status;
    // One file, with no log beside it.
    if (absl::Status status = (*copy)->Execute("PRAGMA journal_mode=DELETE"); !status.ok()) {
      return status;
    }
  }
  std::error_code error;
  std::filesystem::rename(side, to, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot make ", to, ": ", error.message()));
  return absl::OkStatus();
}

absl::Status CompactJobStore(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(path, false);
  if (!connection.ok()) return connection.status();
  // With this mode a server gives space back by itself later on.
  return (*connection)->Execute("PRAGMA auto_vacuum=INCREMENTAL; VACUUM");
}

}  // namespace acclimate::jobs
