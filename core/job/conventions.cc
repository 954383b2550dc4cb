#include "core/job/conventions.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace acclimate::job {
namespace {

constexpr char kTableKey[] = "acclimate.table";
constexpr char kPicturesKey[] = "acclimate.pictures";
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

nlohmann::json PicturesToJson(const data::PictureConvention& convention) {
  return {{"size", convention.size},
          {"resize", convention.resize},
          {"channels", convention.channels},
          {"height", convention.height},
          {"width", convention.width}};
}

absl::Status ReadPictureConvention(const std::string& text, Conventions& conventions) {
  constexpr int64_t kMostSide = 1 << 15;
  data::PictureConvention convention;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    convention.size = json.at("size").get<int64_t>();
    convention.resize = json.at("resize").get<int64_t>();
    convention.channels = json.at("channels").get<int64_t>();
    convention.height = json.at("height").get<int64_t>();
    convention.width = json.at("width").get<int64_t>();
  } catch (const nlohmann::json::exception& error) {
    return Damaged(kPicturesKey, error.what());
  }
  for (const int64_t side :
       {convention.size, convention.resize, convention.height, convention.width}) {
    if (side < 0 || side > kMostSide) return Damaged(kPicturesKey, "a size is out of range");
  }
  if (convention.channels != 1 && convention.channels != 3) {
    return Damaged(kPicturesKey, "channels are neither 1 nor 3");
  }
  conventions.pictures = convention;
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
  if (const auto it = metadata.find(kPicturesKey); it != metadata.end()) {
    absl::Status status = ReadPictureConvention(it->second, conventions);
    if (!status.ok()) return status;
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
  if (conventions.pictures) metadata[kPicturesKey] = PicturesToJson(*conventions.pictures).dump();
  if (!conventions.class_names.empty()) {
    metadata[kClassNamesKey] = nlohmann::json(conventions.class_names).dump();
  }
}

}  // namespace acclimate::job
