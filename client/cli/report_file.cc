#include "client/cli/report_file.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace acclimate::cli {
namespace {

// 1 lacks what 2 added: every part of the text is optional.
constexpr int64_t kOldestVersion = 1;
constexpr int64_t kNewestVersion = 2;

absl::Status CheckVersion(const std::string& path, const Json& report) {
  const auto version = report.find("schema_version");
  if (version == report.end() || !version->is_number_integer()) {
    return absl::DataLossError(absl::StrCat(path, ": has no schema_version"));
  }
  const int64_t number = version->get<int64_t>();
  if (number >= kOldestVersion && number <= kNewestVersion) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, ": is of schema version ", number,
                                          "; this program reads ", kOldestVersion, " to ",
                                          kNewestVersion));
}

}  // namespace

absl::StatusOr<Json> ReadReport(const std::string& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) {
    return absl::NotFoundError(absl::StrCat(folder, ": no such folder"));
  }
  const std::string path = absl::StrCat(folder, "/report.json");
  std::ifstream file(path);
  if (!file) {
    return absl::NotFoundError(absl::StrCat(path, ": not there; give the folder of a job's --out"));
  }
  Json report;
  try {
    report = Json::parse(file);
  } catch (const Json::parse_error& error) {
    return absl::DataLossError(absl::StrCat(path, ": not JSON at byte ", error.byte));
  }
  if (!report.is_object()) return absl::DataLossError(absl::StrCat(path, ": no JSON object"));
  if (absl::Status status = CheckVersion(path, report); !status.ok()) return status;
  return report;
}

}  // namespace acclimate::cli
