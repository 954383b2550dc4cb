#include "server/jobs/sqlite_job_store.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/errors.h"
#include "server/base/resource_names.h"
#include "server/jobs/blob_references.h"
#include "server/jobs/event_compaction.h"
#include "server/jobs/sqlite_schema.h"
#include "server/jobs/stored_message.h"

namespace acclimate::jobs {
namespace {

constexpr size_t kMaxIdleReaders = 4;
// Pages of 4 KiB that are given back to the disk in one commit.
constexpr int64_t kReleasedPages = 256;

struct Row {
  int64_t sequence = 0;
  v1::Job job;
};

absl::Status NoSuchJob(const std::string& name) {
  return absl::NotFoundError(absl::StrCat("there is no job ", name));
}

// The rows of a statement that selects (sequence, proto).
absl::StatusOr<std::vector<Row>> ReadRows(Statement& statement) {
  std::vector<Row> rows;
  while (true) {
    absl::StatusOr<bool> more = statement.Step();
    if (!more.ok()) return more.status();
    if (!*more) return rows;
    Row row;
    row.sequence = statement.Integer(0);
    if (absl::Status status = ParseStored(statement.Bytes(1), row.job); !status.ok()) return status;
    rows.push_back(std::move(row));
  }
}

absl::StatusOr<Row> ReadOne(Statement& statement, const absl::Status& when_missing) {
  absl::StatusOr<std::vector<Row>> rows = ReadRows(statement);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return when_missing;
  return std::move(rows->front());
}

absl::StatusOr<Row> FindJob(Connection& connection, const std::string& name) {
  Statement statement = connection.Prepare("SELECT sequence, proto FROM jobs WHERE name = ?");
  statement.Bind(name);
  absl::StatusOr<Row> row = ReadOne(statement, NoSuchJob(name));
  if (absl::IsDataLoss(row.status()) || (row.ok() && row->job.name() != name)) {
    return absl::DataLossError(absl::StrCat("the job store holds a damaged ", name));
  }
  return row;
}

absl::Status InsertEvents(Connection& connection, int64_t sequence, JobChange& change) {
  for (v1::JobEvent& event : change.events) {
    event.set_cursor(change.job.last_cursor() + 1);
    change.job.set_last_cursor(event.cursor());
    const std::string proto = ToStored(event);
    Statement statement =
        connection.Prepare("INSERT INTO events (sequence, cursor, proto) VALUES (?, ?, ?)");
    statement.Bind(sequence).Bind(event.cursor()).BindBlob(proto);
    if (absl::Status status = statement.Run(); !status.ok()) return status;
    absl::Status status = AddEventReferences(connection, sequence, change.job, event);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status WriteJob(Connection& connection, int64_t sequence, const v1::Job& job) {
  const std::string proto = ToStored(job);
  Statement statement = connection.Prepare(
      "UPDATE jobs SET state = ?, priority = ?, waits = ?, proto = ? WHERE sequence = ?");
  statement.Bind(int64_t{job.state()})
      .Bind(int64_t{job.spec().priority()})
      .Bind(int64_t{job.has_next_attempt_time()})
      .BindBlob(proto)
      .Bind(sequence);
  return statement.Run();
}

absl::Status InsertJob(Connection& connection, JobChange& change) {
  const v1::Job& job = change.job;
  const std::string tenant = TenantOfJob(job.name());
  int64_t sequence = 0;
  {
    Statement statement = connection.Prepare(
        "INSERT INTO jobs (name, tenant, state, method, priority, proto) "
        "VALUES (?, ?, ?, ?, ?, x'')");
    statement.Bind(job.name()).Bind(tenant).Bind(int64_t{job.state()});
    statement.Bind(job.spec().method()).Bind(int64_t{job.spec().priority()});
    if (absl::Status status = statement.Run(); !status.ok()) return status;
    sequence = connection.LastInsertId();
  }
  for (const auto& [key, value] : job.spec().labels()) {
    Statement statement =
        connection.Prepare("INSERT INTO labels (sequence, key, value) VALUES (?, ?, ?)");
    statement.Bind(sequence).Bind(key).Bind(value);
    if (absl::Status status = statement.Run(); !status.ok()) return status;
  }
  absl::Status status = AddSpecReferences(connection, sequence, job);
  if (status.ok()) status = InsertEvents(connection, sequence, change);
  if (!status.ok()) return status;
  return WriteJob(connection, sequence, change.job);
}

// The job that the same request made before, if there was one.
absl::StatusOr<std::vector<Row>> FindRequest(Connection& connection, const std::string& tenant,
                                             const std::string& request_id,
                                             const std::string& spec_digest) {
  Statement statement = connection.Prepare(
      "SELECT jobs.sequence, jobs.proto, spec_digest FROM requests JOIN jobs USING (sequence) "
      "WHERE requests.tenant = ? AND request_id = ?");
  statement.Bind(tenant).Bind(request_id);
  absl::StatusOr<bool> found = statement.Step();
  if (!found.ok()) return found.status();
  if (!*found) return std::vector<Row>();
  Row row;
  row.sequence = statement.Integer(0);
  if (absl::Status status = ParseStored(statement.Bytes(1), row.job); !status.ok()) return status;
  if (statement.Bytes(2) != spec_digest) {
    return ErrorWithReason(
        v1::REQUEST_ID_REUSED,
        absl::StrCat("request_id \"", request_id, "\" was used for another job, ", row.job.name()),
        {{"job", row.job.name()}});
  }
  return std::vector<Row>{std::move(row)};
}

absl::Status WriteMemoryPeak(Connection& connection, const MemoryPeak& peak) {
  {
    Statement statement =
        connection.Prepare("INSERT OR REPLACE INTO memory_peaks (kind, bytes) VALUES (?, ?)");
    statement.Bind(peak.kind).Bind(peak.bytes);
    if (absl::Status status = statement.Run(); !status.ok()) return status;
  }
  Statement statement = connection.Prepare("DELETE FROM memory_peaks WHERE sequence <= ?");
  statement.Bind(connection.LastInsertId() - int64_t{MemoryEstimates::kMaxKinds});
  return statement.Run();
}

absl::Status ApplyMutation(Connection& connection, Row row, const JobStore::Mutation& mutation,
                           v1::Job& result) {
  JobChange change{std::move(row.job), {}, std::nullopt};
  if (absl::Status status = mutation(change); !status.ok()) return status;
  if (absl::Status status = InsertEvents(connection, row.sequence, change); !status.ok()) {
    return status;
  }
  if (absl::Status status = WriteJob(connection, row.sequence, change.job); !status.ok()) {
    return status;
  }
  if (change.memory_peak.has_value()) {
    absl::Status status = WriteMemoryPeak(connection, *change.memory_peak);
    if (!status.ok()) return status;
  }
  result = std::move(change.job);
  return absl::OkStatus();
}

// What a page token belongs to: it continues this query and no other.
std::string QueryText(const JobQuery& query) {
  std::string text =
      absl::StrCat(query.tenant, "\n", query.state ? int{*query.state} : -1, "\n", query.method);
  for (const auto& [key, value] : query.labels) absl::StrAppend(&text, "\n", key, "=", value);
  return text;
}

absl::StatusOr<int64_t> ParsePageToken(const JobQuery& query) {
  if (query.page_token.empty()) return INT64_MAX;
  std::string text;
  int64_t sequence = 0;
  const bool decoded = absl::WebSafeBase64Unescape(query.page_token, &text);
  const size_t end = text.find('\n');
  if (!decoded || end == std::string::npos || !absl::SimpleAtoi(text.substr(0, end), &sequence)) {
    return BadRequest("page_token", "is not a token that this server has given");
  }
  if (text.substr(end + 1) != QueryText(query)) {
    return BadRequest("page_token", "belongs to a list with another parent or filter");
  }
  return sequence;
}

std::string MakePageToken(const JobQuery& query, int64_t last_sequence) {
  return absl::WebSafeBase64Escape(absl::StrCat(last_sequence, "\n", QueryText(query)));
}

// The rows of a statement that selects (sequence, proto), as far as a page has room for them.
absl::Status ReadPage(Statement& statement, const JobQuery& query, JobPage& page) {
  int64_t last_sequence = 0;
  size_t bytes = 0;
  while (true) {
    absl::StatusOr<bool> more = statement.Step();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    v1::Job job;
    if (absl::Status status = ParseStored(statement.Bytes(1), job); !status.ok()) return status;
    for (v1::Attempt& attempt : *job.mutable_attempts()) attempt.clear_stderr_tail();
    bytes += job.ByteSizeLong();
    const bool full = page.jobs.size() == static_cast<size_t>(query.page_size);
    if (full || (bytes > kMaxPageBytes && !page.jobs.empty())) {
      page.next_page_token = MakePageToken(query, last_sequence);
      return absl::OkStatus();
    }
    last_sequence = statement.Integer(0);
    page.jobs.push_back(std::move(job));
  }
}

std::string ListStatement(const JobQuery& query) {
  std::string sql = "SELECT sequence, proto FROM jobs WHERE tenant = ? AND sequence < ?";
  if (query.state) absl::StrAppend(&sql, " AND state = ?");
  if (!query.method.empty()) absl::StrAppend(&sql, " AND method = ?");
  for (size_t i = 0; i < query.labels.size(); ++i) {
    absl::StrAppend(&sql,
                    " AND EXISTS (SELECT 1 FROM labels WHERE labels.sequence = jobs.sequence "
                    "AND key = ? AND value = ?)");
  }
  return absl::StrCat(sql, " ORDER BY sequence DESC LIMIT ?");
}

// "tenant IN (?, ?)", which is not true where there is none; a condition that always holds for all.
std::string TenantCondition(const Tenants& tenants) {
  if (!tenants) return "1";
  std::vector<const char*> marks(tenants->size(), "?");
  return absl::StrCat("tenant IN (", absl::StrJoin(marks, ", "), ")");
}

void BindTenants(const Tenants& tenants, Statement& statement) {
  if (!tenants) return;
  for (const std::string& tenant : *tenants) statement.Bind(tenant);
}

// The messages are read only of those jobs that are among the first.
std::string SelectStatement(const StateQuery& query) {
  const char* const order = query.order == StateQuery::Order::kNewest ? "sequence DESC"
                            : query.order == StateQuery::Order::kPriority
                                ? "priority DESC, sequence"
                                : "sequence";
  // The literal state lets the planner use the partial index jobs_queue.
  return absl::StrCat("SELECT sequence, proto FROM jobs WHERE sequence IN (SELECT sequence FROM ",
                      "jobs WHERE state = ", int{query.state}, " AND ",
                      TenantCondition(query.tenants), " ORDER BY ", order, " LIMIT ?) ORDER BY ",
                      order);
}

}  // namespace

bool IsNetworkFileSystem(int64_t type) {
  constexpr int64_t kCephMagic = 0x00c36400, kLustreMagic = 0x0bd00bd0, kGpfsMagic = 0x47504653;
  constexpr int64_t kTypes[] = {
      NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,   CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, AFS_SUPER_MAGIC,
      CODA_SUPER_MAGIC, OCFS2_SUPER_MAGIC, kCephMagic,       kLustreMagic,     kGpfsMagic};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

absl::StatusOr<std::unique_ptr<SqliteJobStore>> SqliteJobStore::Open(
    const std::string& path, metrics::ServerMetrics* metrics) {
  const std::string directory = std::filesystem::path(path).parent_path();
  struct statfs file_system {};
  if (statfs(directory.c_str(), &file_system) == 0 && IsNetworkFileSystem(file_system.f_type)) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, " is on a network file system, where the locks of the job store ",
                     "do not hold; use a local disk"));
  }
  absl::StatusOr<std::unique_ptr<Connection>> writer = Connection::Open(path, false);
  if (!writer.ok()) return writer.status();
  // auto_vacuum comes first, and has no effect on a file that has tables.
  for (const char* setting :
       {"PRAGMA auto_vacuum=INCREMENTAL", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
        "PRAGMA cache_size=-4096", "PRAGMA temp_store=MEMORY"}) {
    if (absl::Status status = (*writer)->Execute(setting); !status.ok()) return status;
  }
  if (absl::Status status = UpgradeSchema(**writer); !status.ok()) return status;
  return absl::WrapUnique(new SqliteJobStore(path, *std::move(writer), metrics));
}

SqliteJobStore::SqliteJobStore(std::string path, std::unique_ptr<Connection> writer,
                               metrics::ServerMetrics* metrics)
    : path_(std::move(path)), writer_(std::move(writer), metrics) {}

absl::Status SqliteJobStore::Read(const std::function<absl::Status(Connection&)>& read) {
  std::unique_ptr<Connection> connection;
  {
    absl::MutexLock lock(&mutex_);
    if (!idle_readers_.empty()) {
      connection = std::move(idle_readers_.back());
      idle_readers_.pop_back();
    }
  }
  if (connection == nullptr) {
    absl::StatusOr<std::unique_ptr<Connection>> opened = Connection::Open(path_, true);
    if (!opened.ok()) return opened.status();
    connection = *std::move(opened);
    if (absl::Status status = connection->Execute("PRAGMA cache_size=-1024"); !status.ok()) {
      return status;
    }
  }
  const absl::Status status = read(*connection);
  absl::MutexLock lock(&mutex_);
  if (idle_readers_.size() < kMaxIdleReaders) idle_readers_.push_back(std::move(connection));
  return status;
}

absl::StatusOr<CreatedJob> SqliteJobStore::Create(const JobChange& change,
                                                  const std::string& request_id,
                                                  const std::string& spec_digest,
                                                  const Mutation& check) {
  CreatedJob created;
  const std::string tenant = TenantOfJob(change.job.name());
  absl::Status status = writer_.Run([&](Connection& connection) -> absl::Status {
    JobChange copy = change;
    if (!request_id.empty()) {
      auto earlier = FindRequest(connection, tenant, request_id, spec_digest);
      if (!earlier.ok()) return earlier.status();
      if (!earlier->empty()) {
        created = {std::move(earlier->front().job), true};
        return absl::OkStatus();
      }
    }
    if (check) {
      if (absl::Status agreed = check(copy); !agreed.ok()) return agreed;
    }
    if (absl::Status inserted = InsertJob(connection, copy); !inserted.ok()) return inserted;
    created = {std::move(copy.job), false};
    if (request_id.empty()) return absl::OkStatus();
    Statement statement = connection.Prepare(
        "INSERT INTO requests (tenant, request_id, spec_digest, sequence) "
        "SELECT ?, ?, ?, sequence FROM jobs WHERE name = ?");
    statement.Bind(tenant).Bind(request_id).Bind(spec_digest).Bind(created.job.name());
    return statement.Run();
  });
  if (!status.ok()) return status;
  return created;
}

absl::StatusOr<v1::Job> SqliteJobStore::Get(const std::string& name) {
  v1::Job job;
  absl::Status status = Read([&](Connection& connection) -> absl::Status {
    absl::StatusOr<Row> row = FindJob(connection, name);
    if (row.ok()) job = std::move(row->job);
    return row.status();
  });
  if (!status.ok()) return status;
  return job;
}

absl::StatusOr<JobPage> SqliteJobStore::List(const JobQuery& query) {
  absl::StatusOr<int64_t> before = ParsePageToken(query);
  if (!before.ok()) return before.status();
  JobPage page;
  absl::Status status = Read([&](Connection& connection) -> absl::Status {
    Statement statement = connection.Prepare(ListStatement(query));
    statement.Bind(query.tenant).Bind(*before);
    if (query.state) statement.Bind(int64_t{*query.state});
    if (!query.method.empty()) statement.Bind(query.method);
    for (const auto& [key, value] : query.labels) statement.Bind(key).Bind(value);
    statement.Bind(int64_t{query.page_size} + 1);  // one more tells whether a page follows
    return ReadPage(statement, query, page);
  });
  if (!status.ok()) return status;
  return page;
}

absl::StatusOr<v1::Job> SqliteJobStore::Update(const std::string& name, const Mutation& mutation) {
  v1::Job result;
  absl::Status status = writer_.Run([&](Connection& connection) -> absl::Status {
    absl::StatusOr<Row> row = FindJob(connection, name);
    if (!row.ok()) return row.status();
    return ApplyMutation(connection, *std::move(row), mutation, result);
  });
  if (!status.ok()) return status;
  return result;
}

absl::Status SqliteJobStore::Delete(const std::string& name, const Mutation& check) {
  return writer_.Run([&](Connection& connection) -> absl::Status {
    absl::StatusOr<Row> row = FindJob(connection, name);
    if (!row.ok()) return row.status();
    JobChange change{std::move(row->job), {}, std::nullopt};
    if (absl::Status status = check(change); !status.ok()) return status;
    for (const char* sql :
         {"DELETE FROM events WHERE sequence = ?", "DELETE FROM labels WHERE sequence = ?",
          "DELETE FROM requests WHERE sequence = ?",
          "DELETE FROM blob_references WHERE sequence = ?",
          "DELETE FROM jobs WHERE sequence = ?"}) {
      Statement statement = connection.Prepare(sql);
      statement.Bind(row->sequence);
      if (absl::Status status = statement.Run(); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<v1::JobEvent>> SqliteJobStore::Events(const std::string& name,
                                                                 const EventRange& range) {
  std::vector<v1::JobEvent> events;
  absl::Status status = Read([&](Connection& connection) -> absl::Status {
    Statement statement = connection.Prepare(
        "SELECT events.proto FROM events JOIN jobs USING (sequence) "
        "WHERE name = ? AND cursor > ? ORDER BY cursor LIMIT ?");
    statement.Bind(name).Bind(range.after).Bind(int64_t{range.limit});
    int64_t bytes = 0;
    while (bytes < range.max_bytes) {
      absl::StatusOr<bool> more = statement.Step();
      if (!more.ok()) return more.status();
      if (!*more) break;
      bytes += static_cast<int64_t>(statement.Bytes(0).size());
      if (absl::Status parsed = ParseStored(statement.Bytes(0), events.emplace_back());
          !parsed.ok()) {
        return parsed;
      }
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return events;
}

absl::StatusOr<std::vector<v1::Job>> SqliteJobStore::Select(const StateQuery& query) {
  std::vector<v1::Job> jobs;
  absl::Status status = Read([&](Connection& connection) -> absl::Status {
    Statement statement = connection.Prepare(SelectStatement(query));
    BindTenants(query.tenants, statement);
    statement.Bind(int64_t{query.limit});
    absl::StatusOr<std::vector<Row>> rows = ReadRows(statement);
    if (!rows.ok()) return rows.status();
    for (Row& row : *rows) jobs.push_back(std::move(row.job));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return jobs;
}

absl::Status SqliteJobStore::VisitQueued(const std::function<void(const v1::Job&)>& visit) {
  return Read([&](Connection& connection) -> absl::Status {
    Statement statement = connection.Prepare(
        "SELECT proto FROM jobs WHERE state = ? AND waits = 0 ORDER BY sequence");
    statement.Bind(int64_t{v1::JOB_STATE_QUEUED});
    v1::Job job;
    while (true) {
      absl::StatusOr<bool> more = statement.Step();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
      if (absl::Status parsed = ParseStored(statement.Bytes(0), job); !parsed.ok()) return parsed;
      visit(job);
    }
  });
}

absl::StatusOr<std::vector<MemoryPeak>> SqliteJobStore::MemoryPeaks() {
  std::vector<MemoryPeak> peaks;
  absl::Status status = Read([&](Connection& connection) -> absl::Status {
    Statement statement =
        connection.Prepare("SELECT kind, bytes FROM memory_peaks ORDER BY sequence");
    while (true) {
      absl::StatusOr<bool> more = statement.Step();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
      peaks.push_back({std::string(statement.Bytes(0)), statement.Integer(1)});
    }
  });
  if (!status.ok()) return status;
  return peaks;
}

absl::StatusOr<std::vector<std::string>> SqliteJobStore::Waiting() {
  std::vector<std::string> names;
  absl::Status status = Read([&](Connection& connection) -> absl::Status {
    Statement statement = connection.Prepare("SELECT name FROM jobs WHERE waits = 1");
    while (true) {
      absl::StatusOr<bool> more = statement.Step();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
      names.emplace_back(statement.Bytes(0));
    }
  });
  if (!status.ok()) return status;
  return names;
}

absl::StatusOr<std::vector<StateCount>> SqliteJobStore::Counts() {
  std::vector<StateCount> counts;
  absl::Status status = Read([&](Connection& connection) -> absl::Status {
    Statement statement =
        connection.Prepare("SELECT state, method, COUNT(*) FROM jobs GROUP BY state, method");
    while (true) {
      absl::StatusOr<bool> more = statement.Step();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
      counts.push_back({static_cast<v1::JobState>(statement.Integer(0)),
                        std::string(statement.Bytes(1)), statement.Integer(2)});
    }
  });
  if (!status.ok()) return status;
  return counts;
}

absl::StatusOr<std::map<v1::JobState, int64_t>> SqliteJobStore::CountsOf(const Tenants& tenants) {
  std::map<v1::JobState, int64_t> counts;
  absl::Status status = Read([&](Connection& connection) -> absl::Status {
    Statement statement = connection.Prepare(absl::StrCat(
        "SELECT state, COUNT(*) FROM jobs WHERE ", TenantCondition(tenants), " GROUP BY state"));
    BindTenants(tenants, statement);
    while (true) {
      absl::StatusOr<bool> more = statement.Step();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
      counts[static_cast<v1::JobState>(statement.Integer(0))] = statement.Integer(1);
    }
  });
  if (!status.ok()) return status;
  return counts;
}

absl::StatusOr<bool> SqliteJobStore::NeedsBlob(const std::string& tenant,
                                               const std::string& sha256) {
  bool needed = false;
  absl::Status status = Read([&](Connection& connection) -> absl::Status {
    absl::StatusOr<bool> found = IsReferenced(connection, tenant, sha256);
    if (found.ok()) needed = *found;
    return found.status();
  });
  if (!status.ok()) return status;
  return needed;
}

absl::StatusOr<bool> SqliteJobStore::CompactEvents(absl::Time horizon) {
  std::optional<CompactionStep> step;
  absl::Status status = Read([&](Connection& connection) -> absl::Status {
    absl::StatusOr<std::optional<CompactionStep>> next = NextCompactionStep(connection, horizon);
    if (next.ok()) step = *next;
    return next.status();
  });
  if (!status.ok()) return status;
  if (!step.has_value()) return false;
  status = writer_.Run([&](Connection& connection) { return Compact(connection, *step); });
  if (!status.ok()) return status;
  return true;
}

absl::StatusOr<bool> SqliteJobStore::ReleaseSpace() {
  int64_t left = 0;
  absl::Status status = writer_.Run([&](Connection& connection) -> absl::Status {
    Statement release =
        connection.Prepare(absl::StrCat("PRAGMA incremental_vacuum(", kReleasedPages, ")"));
    while (true) {  // a row for each page
      absl::StatusOr<bool> more = release.Step();
      if (!more.ok()) return more.status();
      if (!*more) break;
    }
    Statement mode = connection.Prepare("PRAGMA auto_vacuum");
    if (absl::StatusOr<bool> row = mode.Step(); !row.ok()) return row.status();
    if (mode.Integer(0) == 0) return absl::OkStatus();  // a file that gives nothing back
    Statement count = connection.Prepare("PRAGMA freelist_count");
    absl::StatusOr<bool> row = count.Step();
    if (row.ok()) left = count.Integer(0);
    return row.status();
  });
  if (!status.ok()) return status;
  return left > 0;
}

}  // namespace acclimate::jobs
