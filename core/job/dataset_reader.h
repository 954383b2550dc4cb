// Reads a run's files into datasets, whatever their form, all by one set of conventions.
#ifndef ACCLIMATE_CORE_JOB_DATASET_READER_H_
#define ACCLIMATE_CORE_JOB_DATASET_READER_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/data/class_names.h"
#include "core/data/dataset.h"
#include "core/data/fields.h"
#include "core/io/mapped_file.h"
#include "core/job/conventions.h"
#include "core/job/run.h"

namespace acclimate::job {

// What the labels of a file are for.
enum class LabelUse {
  kRequired,  // no labels: an error
  kReported,  // for the report alone: as kRequired, but that all may say that they are none
  kWelcome,   // labels that cannot be read are left out, with a warning
};

// The first table that is read makes the coding and the class names, unless the checkpoint records
// them. Holds the spec and the observer: must not outlive them. Not thread-safe.
class DatasetReader {
 public:
  // Reads what the checkpoint records. INVALID_ARGUMENT: the record is damaged.
  static absl::StatusOr<DatasetReader> Create(const RunSpec& spec, RunObserver& observer);

  // A tensor file as Dataset::Read(), a table, or an archive of pictures. Classes that the file
  // names get the numbers of the class names. Samples whose label is -1 have none: where labels are
  // read they are left out, with a warning. INVALID_ARGUMENT begins with the field.
  absl::StatusOr<data::Dataset> Read(const std::string& field,
                                     const std::shared_ptr<io::MappedFile>& file, LabelUse use);

  // From here on a file whose class names are not the checkpoint's brings its own.
  void AllowOtherClasses() { allow_other_classes_ = true; }
  bool has_other_classes() const { return has_other_classes_; }
  // The metadata of the checkpoint; empty where it has none or cannot be read.
  const std::map<std::string, std::string>& recorded() const { return recorded_; }

  // As of all that was read so far: to be recorded with the model.
  const Conventions& conventions() const { return conventions_; }

 private:
  DatasetReader(const RunSpec& spec, RunObserver& observer) : spec_(&spec), observer_(&observer) {}
  absl::StatusOr<data::Dataset> ReadAnyForm(const std::shared_ptr<io::MappedFile>& file,
                                            LabelUse use);
  absl::StatusOr<data::Dataset> ReadTable(const std::shared_ptr<io::MappedFile>& file,
                                          LabelUse use);
  absl::StatusOr<data::Dataset> ReadPictures(const std::shared_ptr<io::MappedFile>& file,
                                             LabelUse use);
  absl::Status NameClasses(LabelUse use, data::Dataset& dataset);
  // The model was trained with names that nobody recorded.
  void WarnOfAssumedNames(const std::string& file);
  void LeaveOutUnlabelled(const std::string& field, LabelUse use, data::Dataset& dataset);
  // Labels of `texts` by the class names, which they may make. An error unless `use` lets it be a
  // warning.
  absl::StatusOr<at::Tensor> Labels(const data::ClassTexts& texts, const absl::Status& status,
                                    const std::string& file, bool numbers_count, LabelUse use);

  const RunSpec* spec_;
  RunObserver* observer_;
  Conventions conventions_;
  std::map<std::string, std::string> recorded_;
  bool allow_other_classes_ = false, has_other_classes_ = false;
  data::Fields fields_;  // what the checkpoint's model takes of a file
};

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_DATASET_READER_H_
