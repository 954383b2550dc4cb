#include "core/job/conventions.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace acclimate::job {
namespace {

constexpr char kTableKey[] = "acclimate.table";
constexpr char kClassNamesKey[] = "acclimate.class_names";

absl::Status Damaged(const char* key, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("checkpoint: its metadata ", key, " is damaged: ", why));
}

absl::Status ReadClassNames(const std::string& text, std::vector<std::string>& names) {
  try {
    names = nlohmann::json::parse(text).get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception& error) {
    return Damaged(kClassNamesKey, error.what());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Conventions> ReadConventions(const std::map<std::string, std::string>& metadata) {
  Conventions conventions;
  if (const auto it = metadata.find(kTableKey); it != metadata.end()) {
    absl::StatusOr<data::TableCoding> table =
        data::TableCodingFromJson(nlohmann::json::parse(it->second, nullptr, false));
    if (!table.ok()) return Damaged(kTableKey, table.status().message());
    conventions.table = *std::move(table);
  }
  if (const auto it = metadata.find(kClassNamesKey); it != metadata.end()) {
    absl::Status status = ReadClassNames(it->second, conventions.class_names);
    if (!status.ok()) return status;
  }
  return conventions;
}

void RecordConventions(const Conventions& conventions,
                       std::map<std::string, std::string>& metadata) {
  if (conventions.table) metadata[kTableKey] = data::ToJson(*conventions.table).dump();
  if (!conventions.class_names.empty()) {
    metadata[kClassNamesKey] = nlohmann::json(conventions.class_names).dump();
  }
}

}  // namespace acclimate::job
