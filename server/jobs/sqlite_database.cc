#include "server/jobs/sqlite_database.h"

#include <sqlite3.h>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace acclimate::jobs {

absl::Status SqliteError(sqlite3* connection, int code, absl::string_view action) {
  const std::string message =
      absl::StrCat("the job store cannot ", action, ": ",
                   connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code));
  switch (code & 0xff) {
    case SQLITE_FULL:
      return QuotaExceeded(v1::DISK_FULL, "disk", message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    default:
      return absl::UnavailableError(message);
  }
}

Statement::Statement(sqlite3* connection, sqlite3_stmt* statement)
    : connection_(connection), statement_(statement) {}

Statement::~Statement() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::Bind(int64_t value) {
  sqlite3_bind_int64(statement_, next_parameter_++, value);
  return *this;
}

Statement& Statement::Bind(absl::string_view text) {
  sqlite3_bind_text(statement_, next_parameter_++, text.data(), static_cast<int>(text.size()),
                    SQLITE_STATIC);
  return *this;
}

Statement& Statement::BindBlob(absl::string_view bytes) {
  sqlite3_bind_blob(statement_, next_parameter_++, bytes.data(), static_cast<int>(bytes.size()),
                    SQLITE_STATIC);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  if (statement_ == nullptr) {
    return SqliteError(connection_, sqlite3_errcode(connection_), "prepare a statement");
  }
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(connection_, code, "run a statement");
}

absl::Status Statement::Run() { return Step().status(); }

int64_t Statement::Integer(int column) const { return sqlite3_column_int64(statement_, column); }

absl::string_view Statement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  return {static_cast<const char*>(data),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path,
                                                             bool read_only) {
  sqlite3* handle = nullptr;
  // Each connection is used by one thread at a time: no mutex of SQLite's own.
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  auto connection = absl::WrapUnique(new Connection(handle));
  if (code != SQLITE_OK) return SqliteError(handle, code, absl::StrCat("open ", path));
  sqlite3_busy_timeout(handle, 10'000);
  return connection;
}

Connection::~Connection() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(connection_);
}

absl::Status Connection::Execute(const std::string& sql) {
  const int code = sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(connection_, code, absl::StrCat("run \"", sql, "\""));
  return absl::OkStatus();
}

absl::Status Connection::CopyTo(Connection& to) {
  constexpr int kAllPages = -1;
  sqlite3_backup* const backup = sqlite3_backup_init(to.connection_, "main", connection_, "main");
  if (backup == nullptr) {
    return SqliteError(to.connection_, sqlite3_errcode(to.connection_), "begin a copy");
  }
  sqlite3_backup_step(backup, kAllPages);
  const int code = sqlite3_backup_finish(backup);  // also tells how the step ended
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(to.connection_, code, "copy itself");
}

Statement Connection::Prepare(absl::string_view sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v3(connection_, sql.data(), static_cast<int>(sql.size()),
                       SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (statement == nullptr) return Statement(connection_, nullptr);
    found = statements_.emplace(std::string(sql), statement).first;
  }
  return Statement(connection_, found->second);
}

int64_t Connection::LastInsertId() const { return sqlite3_last_insert_rowid(connection_); }
int64_t Connection::TotalChanges() const { return sqlite3_total_changes64(connection_); }

}  // namespace acclimate::jobs
