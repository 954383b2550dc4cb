// Reads a run's files into datasets, whatever their form, all by one set of conventions.
#ifndef ACCLIMATE_CORE_JOB_DATASET_READER_H_
#define ACCLIMATE_CORE_JOB_DATASET_READER_H_

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
  kWelcome,   // labels that cannot be read are left out, with a warning
};

// The first table that is read makes the coding and the class names, unless the checkpoint records
// them. Holds the spec and the observer: must not outlive them. Not thread-safe.
class DatasetReader {
 public:
  // Reads what the checkpoint records. INVALID_ARGUMENT: the record is damaged.
  static absl::StatusOr<DatasetReader> Create(const RunSpec& spec, RunObserver& observer);

  // A tensor file as Dataset::Read(), a table, or an archive of pictures. INVALID_ARGUMENT begins
  // with the field.
  absl::StatusOr<data::Dataset> Read(const std::string& field,
                                     const std::shared_ptr<io::MappedFile>& file, LabelUse use);

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
  // Labels of `texts` by the class names, which they may make. An error unless `use` lets it be a
  // warning.
  absl::StatusOr<at::Tensor> Labels(const data::ClassTexts& texts, const absl::Status& status,
                                    const std::string& file, bool numbers_count, LabelUse use);

  const RunSpec* spec_;
  RunObserver* observer_;
  Conventions conventions_;
  data::Fields fields_;  // what the checkpoint's model takes of a file
};

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_DATASET_READER_H_
