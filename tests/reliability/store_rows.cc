#include "tests/reliability/store_rows.h"

#include <sqlite3.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/reliability/options.h"

namespace acclimate::reliability {
namespace {

class Database {
 public:
  explicit Database(const std::string& path) {
    if (sqlite3_open_v2(path.c_str(), &connection_, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK) {
      ADD_FAILURE() << path << ": " << sqlite3_errmsg(connection_);
    }
    sqlite3_busy_timeout(connection_, 60'000);
  }
  ~Database() { sqlite3_close(connection_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  sqlite3_int64 Number(const std::string& query) {
    sqlite3_stmt* const statement = Run(query);
    const sqlite3_int64 number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
  }
  std::string Bytes(const std::string& query) {
    sqlite3_stmt* const statement = Run(query);
    const auto* const bytes = static_cast<const char*>(sqlite3_column_blob(statement, 0));
    std::string copy(bytes, static_cast<size_t>(sqlite3_column_bytes(statement, 0)));
    sqlite3_finalize(statement);
    return copy;
  }
  void Execute(const std::string& change, const std::string& blob) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(connection_, change.c_str(), -1, &statement, nullptr);
    sqlite3_bind_blob(statement, 1, blob.data(), static_cast<int>(blob.size()), SQLITE_STATIC);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_DONE) << sqlite3_errmsg(connection_);
    sqlite3_finalize(statement);
  }

 private:
  // At its first row.
  sqlite3_stmt* Run(const std::string& query) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(connection_, query.c_str(), -1, &statement, nullptr);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW) << query << ": " << sqlite3_errmsg(connection_);
    return statement;
  }

  sqlite3* connection_ = nullptr;
};

}  // namespace

std::string RowsOfJobs(const std::string& path) {
  Database database(path);
  std::string rows;
  for (const char* table : {"jobs", "labels", "events", "requests", "blob_references"}) {
    const sqlite3_int64 count = database.Number(absl::StrCat("SELECT count(*) FROM ", table));
    if (count > 0) absl::StrAppend(&rows, rows.empty() ? "" : ", ", table, " ", count);
  }
  return rows;
}

std::string FlipBitOfARow(const std::string& path, std::mt19937_64& random) {
  Database database(path);
  const std::string table = Draw(random, 1) == 0 ? "jobs" : "events";
  const sqlite3_int64 rows = database.Number("SELECT count(*) FROM " + table);
  const std::string key = table == "jobs" ? "sequence" : "sequence * 1000000 + cursor";
  const std::string row = absl::StrCat(database.Number(
      absl::StrCat("SELECT ", key, " FROM ", table, " LIMIT 1 OFFSET ", Draw(random, rows - 1))));
  const std::string where = absl::StrCat(" WHERE ", key, " = ", row);
  std::string message = database.Bytes(absl::StrCat("SELECT proto FROM ", table, where));
  const int64_t at = Draw(random, static_cast<int64_t>(message.size()) - 1);
  const int bit = static_cast<int>(Draw(random, 7));
  message[static_cast<size_t>(at)] =
      static_cast<char>(message[static_cast<size_t>(at)] ^ (1 << bit));
  database.Execute(absl::StrCat("UPDATE ", table, " SET proto = ?", where), message);
  return absl::StrCat("bit ", bit, " of byte ", at, " of row ", row, " of ", table, " flipped");
}

}  // namespace acclimate::reliability
