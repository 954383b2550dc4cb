#include "server/base/log.h"

#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

namespace acclimate {
namespace {

std::atomic<LogLevel> minimum_level{LogLevel::kInfo};

absl::string_view Name(LogLevel level) {
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

}  // namespace

std::string JsonQuote(absl::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

LogField::LogField(absl::string_view key, absl::string_view value)
    : key_(key), json_(JsonQuote(value)) {}
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

void SetLogLevel(LogLevel level) { minimum_level = level; }

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view text) {
  for (LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (text == Name(level)) return level;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("must be debug, info, warning or error; is \"", text, "\""));
}

void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields) {
  if (level < minimum_level.load(std::memory_order_relaxed)) return;
  std::string line = absl::StrCat(
      "{\"time\":\"", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone()),
      "\",\"level\":\"", Name(level), "\",\"message\":", JsonQuote(message));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, ",", JsonQuote(field.key()), ":", field.json());
  }
  absl::StrAppend(&line, "}\n");
  // A log that cannot be written has nowhere to say so.
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace acclimate
