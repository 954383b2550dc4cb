// One JSON object a line on stderr: {"time":...,"level":"info","message":...,<fields>}.
//
//   LogInfo("job queued", {{"job", name}, {"priority", 3}});
//
// What holds for a stretch of work is said once:
//
//   LogContext context({{"trace", trace_id}, {"job", name}});
//   LogInfo("attempt ended");  // with both
//
// Thread-safe; a line is written by one write(2). Bytes that are not UTF-8 become U+FFFD; a message
// or a field of more than 8 KiB is cut, and says how much was left out.
#ifndef ACCLIMATE_SERVER_BASE_LOG_H_
#define ACCLIMATE_SERVER_BASE_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace acclimate {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

class LogField {
 public:
  LogField(absl::string_view key, absl::string_view value);
  LogField(absl::string_view key, const std::string& value)
      : LogField(key, absl::string_view(value)) {}
  LogField(absl::string_view key, const char* value) : LogField(key, absl::string_view(value)) {}
  LogField(absl::string_view key, bool value);
  LogField(absl::string_view key, int value) : LogField(key, static_cast<int64_t>(value)) {}
  LogField(absl::string_view key, int64_t value);
  LogField(absl::string_view key, double value);
  LogField(absl::string_view key, absl::Duration value);  // as a number of seconds
  LogField(absl::string_view key, const absl::Status& value);

  const std::string& key() const { return key_; }
  const std::string& json() const { return json_; }

 private:
  std::string key_;
  std::string json_;
};

// Fields of every line that this thread writes while the context lives; a line's own field of the
// same key wins, then the innermost context's. Destroyed by the thread that made it, in reverse
// order.
class LogContext {
 public:
  explicit LogContext(std::initializer_list<LogField> fields);
  ~LogContext();
  LogContext(const LogContext&) = delete;
  LogContext& operator=(const LogContext&) = delete;

  // For lines from now on.
  void Add(LogField field);

 private:
  friend void Log(LogLevel level, absl::string_view message,
                  std::initializer_list<LogField> fields);

  std::vector<LogField> fields_;
  const LogContext* const outer_;
};

// From the next line on, for all threads.
void SetLogLevel(LogLevel level);
LogLevel GetLogLevel();
absl::string_view LogLevelName(LogLevel level);
absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text);  // debug, info, warning, error

void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields);

inline void LogDebug(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}
inline void LogInfo(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarning(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogError(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, message, fields);
}

// The text as a JSON string, quotes included.
std::string JsonQuote(absl::string_view text);

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_LOG_H_
