// What a run works on, loaded and checked.
#ifndef ACCLIMATE_CORE_JOB_INPUTS_H_
#define ACCLIMATE_CORE_JOB_INPUTS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/data/dataset.h"
#include "core/job/conventions.h"
#include "core/job/normalization.h"
#include "core/job/run.h"
#include "core/methods/method.h"
#include "core/model/model.h"
#include "core/selection/guard_labels.h"

namespace acclimate::job {

struct Inputs {
  const methods::MethodEntry* method = nullptr;
  methods::Hyperparameters hyperparameters;  // every one of the method
  at::Device device = at::kCPU;
  at::ScalarType precision = at::kFloat;  // of the forward passes of every model
  std::vector<data::Dataset> sources;
  std::vector<data::Dataset> held_out;       // of each source, in no other dataset; for validators
  absl::optional<data::Dataset> target;      // with the labels of its file, if any
  absl::optional<data::Dataset> unlabelled;  // the same without, for methods that must not see them
  absl::optional<data::Dataset> evaluation;
  absl::optional<selection::GuardLabels> guard_labels;  // the audit's; absent without `use_audit`
  methods::ExtraInputs extra;
  std::unique_ptr<model::Model> model;  // on `device`
  bool new_head = false;  // the classifier layer is not the checkpoint's: see new_head.h
  ChosenNormalization normalization;  // as set on every dataset
  Conventions conventions;            // by which the files were read

  // What the method may see.
  const data::Dataset& method_target() const { return unlabelled ? *unlabelled : *target; }
  // What the model extra.models[name] reads: its own dataset, or the target.
  const data::Dataset& ReadBy(const std::string& name) const;
  // The model that reads the dataset extra.datasets[dataset]: "teacher" reads "teacher_inputs".
  // Null for every other dataset.
  const model::Model* ReaderOf(const std::string& dataset) const;

  // With the names of their fields.
  using NamedDatasets = std::vector<std::pair<std::string, data::Dataset*>>;
  NamedDatasets Domains();      // what the run trains on or adapts to
  NamedDatasets AllDatasets();  // all that the run's own model reads
};

std::string SourceField(size_t index);
std::string InputField(const std::string& name);

// Checks the spec against the method's needs, then the files against each other and the model:
// shapes, labels, classes, batch norm. Reports phases and warnings. INVALID_ARGUMENT names the
// field. Draws from the default generator only for a fresh architecture.
absl::StatusOr<Inputs> LoadInputs(const RunSpec& spec, RunObserver& observer);

// `status` with "<field>: " before its message.
absl::Status InField(const std::string& field, const absl::Status& status);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_INPUTS_H_
