#include "client/cli/output.h"

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "client/lib/error.h"
#include "google/protobuf/util/json_util.h"

namespace acclimate::cli {
namespace {

// The first error of stdout; 0 while there is none. Only the main thread prints.
int lost_output_errno = 0;

}  // namespace

void PrintText(const std::string& text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && lost_output_errno == 0) lost_output_errno = errno;
}

absl::Status LostOutput() {
  if (lost_output_errno == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(lost_output_errno, "the output is not complete: cannot write stdout");
}

void PrintJson(const Json& document) {
  PrintText(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void PrintError(const absl::Status& status, bool json) {
  std::fprintf(stderr, "acclimate: %s\n", client::ErrorText(status).c_str());
  if (json) PrintJson({{"error", ErrorJson(status)}});
}

Json ErrorJson(const absl::Status& status) {
  Json violations = Json::array();
  for (const client::FieldViolation& violation : client::FieldViolations(status)) {
    violations.push_back({{"field", violation.field}, {"description", violation.description}});
  }
  return {{"code", absl::StatusCodeToString(status.code())},
          {"message", std::string(status.message())},
          {"field_violations", std::move(violations)}};
}

Json MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  // Every message of the API can be written as JSON; only an Any of an unknown type could not.
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) {
    return Json::object({{"text", message.ShortDebugString()}});
  }
  return Json::parse(text);
}

std::string LocalTime(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(time.seconds()),
                          absl::LocalTimeZone());
}

std::string ByteText(int64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = bytes / 1024.0;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string ValueText(const v1::HyperparameterValue& value) {
  switch (value.kind_case()) {
    case v1::HyperparameterValue::kInteger:
      return absl::StrCat(value.integer());
    case v1::HyperparameterValue::kReal:
      return absl::StrCat(value.real());
    case v1::HyperparameterValue::kBoolean:
      return value.boolean() ? "true" : "false";
    case v1::HyperparameterValue::kText:
      return value.text();
    case v1::HyperparameterValue::KIND_NOT_SET:
      break;
  }
  return "";
}

}  // namespace acclimate::cli
