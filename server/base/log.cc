#include "server/base/log.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "server/base/bounded_text.h"

namespace acclimate {
namespace {

std::atomic<LogLevel> minimum_level{LogLevel::kInfo};

constexpr size_t kMaxTextBytes = 8 << 10;  // of the message and of each field

thread_local const LogContext* innermost_context = nullptr;

// Appends the fields whose key is not in the line yet.
template <typename Fields>
void AppendFields(const Fields& fields, std::vector<absl::string_view>& keys, std::string& line) {
  for (const LogField& field : fields) {
    if (std::find(keys.begin(), keys.end(), field.key()) != keys.end()) continue;
    keys.push_back(field.key());
    absl::StrAppend(&line, ",", JsonQuote(field.key()), ":", field.json());
  }
}

}  // namespace

std::string JsonQuote(absl::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

LogField::LogField(absl::string_view key, absl::string_view value)
    : key_(key), json_(JsonQuote(BoundedText(value, kMaxTextBytes))) {}
LogField::LogField(absl::string_view key, bool value)
    : key_(key), json_(value ? "true" : "false") {}
LogField::LogField(absl::string_view key, int64_t value) : key_(key), json_(absl::StrCat(value)) {}
LogField::LogField(absl::string_view key, double value)
    : key_(key), json_(nlohmann::json(value).dump()) {}
LogField::LogField(absl::string_view key, absl::Duration value)
    : LogField(key, absl::ToDoubleSeconds(value)) {}
LogField::LogField(absl::string_view key, const absl::Status& value)
    : LogField(key, absl::string_view(value.ToString(absl::StatusToStringMode::kWithNoExtraData))) {
}

LogContext::LogContext(std::initializer_list<LogField> fields)
    : fields_(fields), outer_(innermost_context) {
  innermost_context = this;
}

LogContext::~LogContext() { innermost_context = outer_; }

void LogContext::Add(LogField field) { fields_.push_back(std::move(field)); }

void SetLogLevel(LogLevel level) { minimum_level = level; }

LogLevel GetLogLevel() { return minimum_level; }

absl::string_view LogLevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      break;
  }
  return "error";
}

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text) {
  for (LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (text == LogLevelName(level)) return level;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("must be debug, info, warning or error; is \"", text, "\""));
}

void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields) {
  if (level < minimum_level.load(std::memory_order_relaxed)) return;
  std::string line = absl::StrCat(
      "{\"time\":\"", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone()),
      "\",\"level\":\"", LogLevelName(level),
      "\",\"message\":", JsonQuote(BoundedText(message, kMaxTextBytes)));
  std::vector<absl::string_view> keys;
  AppendFields(fields, keys, line);
  for (const LogContext* context = innermost_context; context != nullptr;
       context = context->outer_) {
    AppendFields(context->fields_, keys, line);
  }
  absl::StrAppend(&line, "}\n");
  // A log that cannot be written has nowhere to say so.
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace acclimate
