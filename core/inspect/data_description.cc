#include "core/inspect/data_description.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/dataset.h"
#include "core/data/pictures/picture_archive.h"
#include "core/data/table/csv_file.h"
#include "core/methods/selection.h"

namespace acclimate::inspect {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kMeasuredSamples = 10000;  // whose values are looked at

void AddValues(const data::Dataset& dataset, ordered_json& description) {
  const int64_t count = std::min(dataset.size(), kMeasuredSamples);
  const at::Tensor index = at::arange(count, at::kLong).mul(dataset.size()).floor_divide(count);
  const at::Tensor values = dataset.StoredAt(index).to(at::kFloat);
  description["values"] = {{"minimum", values.min().item<double>()},
                           {"maximum", values.max().item<double>()},
                           {"mean", values.mean().item<double>()}};
  const bool bytes = dataset.stored_type() == at::kByte;
  if (bytes) description["values"]["scaled_by"] = "1 / 255";
  if (values.eq(values.slice(0, 0, 1)).all().item<bool>() && count > 1) {
    description["warnings"].push_back("all samples are equal: nothing can be learned from them");
  }
}

void AddLabels(const data::Dataset& dataset, ordered_json& description) {
  if (!dataset.has_labels()) {
    const bool none = dataset.samples_without_label() > 0;
    description["labels"] = none ? "every one is -1, which means none" : "none";
    if (!dataset.labels_hint().empty()) description["warnings"].push_back(dataset.labels_hint());
    return;
  }
  const data::Dataset labelled = dataset.LabelledSamples();
  const at::Tensor counts = labelled.labels().bincount();
  ordered_json by_class = ordered_json::array();
  std::vector<int64_t> missing;
  for (int64_t i = 0; i < counts.size(0); ++i) {
    by_class.push_back(counts[i].item<int64_t>());
    if (counts[i].item<int64_t>() == 0) missing.push_back(i);
  }
  description["labels"] = {{"classes", counts.size(0)}, {"samples", std::move(by_class)}};
  if (!dataset.class_names().empty()) description["class_names"] = dataset.class_names();
  if (const int64_t without = dataset.samples_without_label(); without > 0) {
    description["labels"]["none"] = without;
  }
  if (!missing.empty() && missing.front() == 0) {
    description["warnings"].push_back(
        "no sample has the label 0; classes count from 0: labels = labels - 1 mends labels from 1 "
        "on");
  } else if (!missing.empty()) {
    description["warnings"].push_back(absl::StrCat(
        "no sample has the label ", missing.front(),
        missing.size() > 1 ? absl::StrCat(", nor ", missing.size() - 1, " others") : ""));
  }
  if (counts.size(0) - static_cast<int64_t>(missing.size()) == 1) {
    description["warnings"].push_back("every label is the same");
  }
}

}  // namespace

ordered_json DescribeTensors(const std::shared_ptr<io::MappedFile>& file) {
  ordered_json description = {{"kind", "data"}};
  description["warnings"] = description["problems"] = ordered_json::array();
  const absl::StatusOr<data::Dataset> dataset = data::Dataset::Read(file);
  if (!dataset.ok()) {
    description["problems"].push_back(std::string(dataset.status().message()));
    return description;
  }
  description["samples"] = dataset->size();
  description["sample_shape"] = dataset->sample_shape();
  description["dtype"] = dataset->stored_type() == at::kByte ? "uint8" : "float32";
  if (dataset->size() < methods::kLeastTargetSamples) {
    description["warnings"].push_back(absl::StrCat(
        dataset->size(), " samples are too few for a target: nothing is chosen by under ",
        methods::kLeastTargetSamples));
  }
  AddValues(*dataset, description);
  AddLabels(*dataset, description);
  return description;
}

ordered_json DescribeTable(const std::shared_ptr<io::MappedFile>& file) {
  ordered_json description = {{"kind", "data"}};
  description["warnings"] = description["problems"] = ordered_json::array();
  const absl::StatusOr<data::CsvFile> table = data::CsvFile::Open(file);
  absl::Status status = table.status();
  int64_t rows = 0;
  if (table.ok()) {
    description["columns"] = table->columns();
    status = table->ReadRows([&rows](const std::vector<absl::string_view>&, int64_t) {
      ++rows;
      return absl::OkStatus();
    });
    description["rows"] = rows;
  }
  if (!status.ok()) description["problems"].push_back(std::string(status.message()));
  return description;
}

ordered_json DescribePictures(const std::shared_ptr<io::MappedFile>& file) {
  constexpr int64_t kAtOnce = 256, kBytesAtOnce = int64_t{64} << 20;
  ordered_json description = {{"kind", "data"}};
  description["warnings"] = description["problems"] = ordered_json::array();
  absl::StatusOr<data::PictureArchive> archive = data::PictureArchive::Open(file);
  absl::Status status = archive.status();
  std::map<std::string, int64_t> by_folder;
  int64_t pictures = 0;
  while (status.ok()) {
    const auto files = archive->Next(kAtOnce, kBytesAtOnce);
    status = files.status();
    if (!status.ok() || files->empty()) break;
    for (const data::PictureFile& picture : *files) {
      ++pictures;
      ++by_folder[std::filesystem::path(picture.path).parent_path().filename().string()];
    }
  }
  description["pictures"] = pictures;
  description["by_folder"] = by_folder;
  if (!status.ok()) description["problems"].push_back(std::string(status.message()));
  return description;
}

}  // namespace acclimate::inspect
