#include "core/job/dataset_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/pictures/picture_archive.h"
#include "core/data/pictures/picture_samples.h"
#include "core/data/table/csv_file.h"
#include "core/data/table/table_reader.h"
#include "core/job/inputs.h"
#include "core/model/checkpoint.h"
#include "core/model/checkpoint_metadata.h"

namespace acclimate::job {
namespace {

bool HasCategories(const data::TableCoding& coding) {
  return std::any_of(coding.columns.begin(), coding.columns.end(),
                     [](const data::ColumnCoding& column) { return !column.categories.empty(); });
}

// What the job asks for, over what is recorded.
void Override(const data::PictureConvention& asked, data::PictureConvention& convention) {
  const int64_t channels = asked.channels > 0 ? asked.channels : convention.channels;
  if (asked.size > 0) convention = asked;
  convention.channels = channels;
}

}  // namespace

absl::StatusOr<DatasetReader> DatasetReader::Create(const RunSpec& spec, RunObserver& observer) {
  DatasetReader reader(spec, observer);
  if (spec.checkpoint == nullptr) return reader;
  const auto metadata = model::ReadCheckpointMetadata(spec.checkpoint);
  const auto inputs = model::ReadModelInputs(spec.checkpoint);
  // Whoever loads the checkpoint says what is wrong with it.
  if (!metadata.ok() || !inputs.ok()) return reader;
  for (const model::ModelInput& input : *inputs) {
    reader.fields_.push_back({input.name, input.whole_numbers(), input.vocabulary});
  }
  absl::StatusOr<Conventions> recorded = ReadConventions(*metadata);
  if (!recorded.ok()) return recorded.status();
  reader.conventions_ = *std::move(recorded);
  reader.recorded_ = *metadata;
  if (reader.conventions_.pictures) Override(spec.pictures, *reader.conventions_.pictures);
  if (!reader.conventions_.table) return reader;
  data::TableCoding& table = *reader.conventions_.table;
  if (!spec.table.label_column.empty()) table.label_column = spec.table.label_column;
  if (!spec.table.missing.empty()) table.missing = spec.table.missing;
  return reader;
}

absl::StatusOr<data::Dataset> DatasetReader::Read(const std::string& field,
                                                  const std::shared_ptr<io::MappedFile>& file,
                                                  LabelUse use) {
  absl::StatusOr<data::Dataset> dataset = ReadAnyForm(file, use);
  if (!dataset.ok()) return InField(field, dataset.status());
  absl::Status status = NameClasses(use, *dataset);
  if (!status.ok()) return InField(field, status);
  LeaveOutUnlabelled(field, use, *dataset);
  const bool all_none = dataset->samples_without_label() == dataset->size();
  if (dataset->has_labels() || use == LabelUse::kWelcome ||
      (use == LabelUse::kReported && all_none)) {
    return dataset;
  }
  return absl::InvalidArgumentError(absl::StrCat(field, ": has no labels",
                                                 all_none ? ": every one is -1, which means none"
                                                 : dataset->labels_hint().empty()
                                                     ? ""
                                                     : absl::StrCat("; ", dataset->labels_hint())));
}

// What a file names and the model does not is an error where its labels are read.
absl::Status DatasetReader::NameClasses(LabelUse use, data::Dataset& dataset) {
  if (dataset.class_names().empty()) return absl::OkStatus();
  std::vector<std::string>& names = conventions_.class_names;
  if (names.empty()) {
    names = dataset.class_names();
    if (spec_->checkpoint == nullptr) return absl::OkStatus();
    WarnOfAssumedNames(dataset.name());
    return absl::OkStatus();
  }
  absl::Status status = dataset.SetClassNames(names);
  if (!status.ok() && allow_other_classes_ && !has_other_classes_) {
    names = dataset.class_names();
    has_other_classes_ = true;
    return absl::OkStatus();
  }
  if (status.ok() || use != LabelUse::kWelcome) return status;
  observer_->OnWarning(absl::StrCat(status.message(), "; its labels are not used"));
  dataset = dataset.WithoutLabels();
  return absl::OkStatus();
}

void DatasetReader::LeaveOutUnlabelled(const std::string& field, LabelUse use,
                                       data::Dataset& dataset) {
  const int64_t missing = dataset.samples_without_label();
  if (missing == 0 || !dataset.has_labels()) return;
  const std::string what = absl::StrCat(field, ": ", missing, " of ", dataset.size(),
                                        " labels are -1, which means none: ");
  if (use == LabelUse::kWelcome) {
    observer_->OnWarning(absl::StrCat(what, "the labels are not used"));
    dataset = dataset.WithoutLabels();
  } else {
    observer_->OnWarning(absl::StrCat(what, "those samples are left out"));
    dataset = dataset.LabelledSamples();
  }
}

absl::StatusOr<data::Dataset> DatasetReader::ReadAnyForm(
    const std::shared_ptr<io::MappedFile>& file, LabelUse use) {
  if (data::PictureArchive::Is(file)) return ReadPictures(file, use);
  if (data::LooksLikeCsv(file->bytes())) return ReadTable(file, use);
  return data::Dataset::Read(file, fields_);
}

absl::StatusOr<data::Dataset> DatasetReader::ReadTable(const std::shared_ptr<io::MappedFile>& file,
                                                       LabelUse use) {
  const absl::StatusOr<data::CsvFile> csv = data::CsvFile::Open(file);
  if (!csv.ok()) return csv.status();
  absl::optional<data::TableCoding>& coding = conventions_.table;
  if (!coding) {
    absl::StatusOr<data::TableCoding> made = data::MakeTableCoding(*csv, spec_->table);
    if (!made.ok()) return made.status();
    coding = *std::move(made);
    if (spec_->checkpoint != nullptr && HasCategories(*coding)) {
      observer_->OnWarning(
          absl::StrCat(file->name(),
                       ": the checkpoint records no coding of categories: they are coded in the "
                       "order of their names, which must be how the model was trained"));
    }
  }
  absl::StatusOr<data::TableSamples> samples = data::ReadTable(*csv, *coding, spec_->table.ignored);
  if (!samples.ok()) return samples.status();
  for (const std::string& warning : samples->warnings) observer_->OnWarning(warning);
  absl::StatusOr<at::Tensor> labels =
      Labels(samples->labels, samples->label_status, file->name(), /*numbers_count=*/true, use);
  if (!labels.ok()) return labels.status();
  if (!labels->defined() && use != LabelUse::kWelcome) {
    return absl::InvalidArgumentError(absl::StrCat(
        file->name(), ": has no labels",
        coding->label_column.empty()
            ? ": name their column as label_column"
            : absl::StrCat(": there is no value in a column \"", coding->label_column, "\""),
        "; its columns are ", absl::StrJoin(csv->columns(), ", ")));
  }
  return data::Dataset::FromTensors(std::move(samples->inputs), *std::move(labels), file->name());
}

absl::StatusOr<data::Dataset> DatasetReader::ReadPictures(
    const std::shared_ptr<io::MappedFile>& file, LabelUse use) {
  if (!conventions_.pictures) conventions_.pictures = spec_->pictures;
  absl::StatusOr<data::PictureSamples> samples = data::ReadPictures(
      file, conventions_.class_names, spec_->output_directory, *conventions_.pictures);
  if (!samples.ok()) return samples.status();
  for (const std::string& warning : samples->warnings) observer_->OnWarning(warning);
  absl::StatusOr<at::Tensor> labels = Labels(samples->labels, absl::OkStatus(), file->name(),
                                             /*numbers_count=*/false, use);
  if (!labels.ok()) return labels.status();
  if (!labels->defined() && use != LabelUse::kWelcome) {
    return absl::InvalidArgumentError(absl::StrCat(
        file->name(), ": has no labels: put the pictures into a folder for each class"));
  }
  return data::Dataset::FromTensors(std::move(samples->inputs), *std::move(labels), file->name());
}

absl::StatusOr<at::Tensor> DatasetReader::Labels(const data::ClassTexts& texts,
                                                 const absl::Status& status,
                                                 const std::string& file, bool numbers_count,
                                                 LabelUse use) {
  if (status.ok() && texts.empty()) return at::Tensor();
  std::vector<std::string>& names = conventions_.class_names;
  const bool made_here = names.empty();
  absl::StatusOr<at::Tensor> labels =
      status.ok() ? texts.ToClasses(file, numbers_count, names) : status;
  if (!labels.ok() && status.ok() && allow_other_classes_ && !has_other_classes_) {
    std::vector<std::string> others;
    labels = texts.ToClasses(file, numbers_count, others);
    if (labels.ok()) names = std::move(others);
    has_other_classes_ = labels.ok();
  }
  if (!labels.ok() && use == LabelUse::kWelcome) {
    observer_->OnWarning(absl::StrCat(labels.status().message(), "; its labels are not used"));
    return at::Tensor();
  }
  if (labels.ok() && made_here && !names.empty() && spec_->checkpoint != nullptr) {
    WarnOfAssumedNames(file);
  }
  return labels;
}

void DatasetReader::WarnOfAssumedNames(const std::string& file) {
  observer_->OnWarning(
      absl::StrCat(file, ": the checkpoint records no class names: class 0 is taken to be \"",
                   conventions_.class_names.front(), "\", and so on in the order of the names"));
}

}  // namespace acclimate::job
