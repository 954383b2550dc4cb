// SQLite with Status: a connection, its prepared statements, and what they bind and return.
#ifndef ACCLIMATE_SERVER_JOBS_SQLITE_DATABASE_H_
#define ACCLIMATE_SERVER_JOBS_SQLITE_DATABASE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace acclimate::jobs {

// RESOURCE_EXHAUSTED: the disk is full; DATA_LOSS: the file is damaged; UNAVAILABLE: the disk
// fails.
absl::Status SqliteError(sqlite3* connection, int code, absl::string_view action);

// A statement in use: bind, step, read. Goes back to its connection, reset, when it dies.
class Statement {
 public:
  Statement(sqlite3* connection, sqlite3_stmt* statement);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(int64_t value);
  Statement& Bind(absl::string_view text);  // must outlive the statement's use
  Statement& BindBlob(absl::string_view bytes);

  absl::StatusOr<bool> Step();  // true: there is a row
  absl::Status Run();           // of one that returns no rows

  int64_t Integer(int column) const;
  absl::string_view Bytes(int column) const;  // valid until the next Step()

 private:
  sqlite3* const connection_;
  sqlite3_stmt* const statement_;
  int next_parameter_ = 1;
};

// For one thread at a time.
class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path, bool read_only);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::Status Execute(const std::string& sql);
  // All that is in the database at one moment, over what `to` has. Writers do not wait.
  absl::Status CopyTo(Connection& to);
  // Prepared once per text. Should that fail, Step() says so.
  Statement Prepare(absl::string_view sql);
  int64_t LastInsertId() const;
  int64_t TotalChanges() const;  // rows changed since the connection was opened

 private:
  explicit Connection(sqlite3* connection) : connection_(connection) {}

  sqlite3* const connection_;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
};

}  // namespace acclimate::jobs

#endif  // ACCLIMATE_SERVER_JOBS_SQLITE_DATABASE_H_
