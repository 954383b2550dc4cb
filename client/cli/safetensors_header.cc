#include "client/cli/safetensors_header.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace acclimate::cli {
namespace {

constexpr int64_t kHeaderLengthBytes = 8;        // little-endian
constexpr int64_t kMostHeaderBytes = 100 << 20;  // the format's own limit
constexpr char kMetadataEntry[] = "__metadata__";

absl::Status DamagedTensors(const client::LocalFile& file, const std::string& what) {
  return absl::DataLossError(absl::StrCat(file.path(), ": ", what));
}

// Without a type where the entry leaves the file. May throw what the JSON library does.
TensorPlace PlaceOf(const nlohmann::json& entry, int64_t body, int64_t file_bytes) {
  TensorPlace place;
  place.shape = entry.at("shape").get<std::vector<int64_t>>();
  const auto offsets = entry.at("data_offsets").get<std::vector<int64_t>>();
  if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0] ||
      offsets[1] > file_bytes - body) {
    return {};
  }
  place.type = entry.at("dtype").get<std::string>();
  place.offset_bytes = body + offsets[0];
  place.size_bytes = offsets[1] - offsets[0];
  return place;
}

}  // namespace

absl::StatusOr<std::map<std::string, TensorPlace>> ReadSafetensorsHeader(
    const client::LocalFile& file) {
  const absl::StatusOr<int64_t> size = file.SizeBytes();
  if (!size.ok()) return size.status();
  std::string text;
  absl::Status status = file.ReadAt(0, kHeaderLengthBytes, &text);
  if (!status.ok()) return status;
  int64_t length = 0;
  if (text.size() == kHeaderLengthBytes) std::memcpy(&length, text.data(), sizeof(length));
  if (length <= 0 || length > kMostHeaderBytes || length > *size - kHeaderLengthBytes) {
    return DamagedTensors(file, "no safetensors file");
  }
  if (status = file.ReadAt(kHeaderLengthBytes, length, &text); !status.ok()) return status;
  std::map<std::string, TensorPlace> places;
  try {
    const nlohmann::json header = nlohmann::json::parse(text);
    for (const auto& [name, entry] : header.items()) {
      if (name == kMetadataEntry) continue;
      places[name] = PlaceOf(entry, kHeaderLengthBytes + length, *size);
      if (places[name].type.empty()) {
        return DamagedTensors(file, absl::StrCat("tensor \"", name, "\" leaves the file"));
      }
    }
  } catch (const nlohmann::json::exception& error) {
    return DamagedTensors(file, absl::StrCat("its header: ", error.what()));
  }
  return places;
}

}  // namespace acclimate::cli
