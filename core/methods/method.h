// A method: what it tells about itself, and the task it becomes once it is given model and data.
//
// Adding one: a file that defines its MethodEntry, a line in registry.cc, a test, a row in the
// documentation.
#ifndef ACCLIMATE_CORE_METHODS_METHOD_H_
#define ACCLIMATE_CORE_METHODS_METHOD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/io/mapped_file.h"
#include "core/methods/method_spec.h"
#include "core/methods/settings.h"
#include "core/model/model.h"
#include "core/selection/guard_labels.h"
#include "core/train/task.h"

namespace acclimate::methods {

// The files of the spec's InputSpecs that were given, by name. The dataset "teacher_inputs" is
// normalised as the model "teacher" records, every other like the target; where the spec has it and
// it was not given, it is the target, normalised so. Models are on the run's device.
struct ExtraInputs {
  std::map<std::string, data::Dataset> datasets;
  std::map<std::string, std::unique_ptr<model::Model>> models;
  std::map<std::string, std::shared_ptr<io::MappedFile>> files;
};

// What a method works on; all of it outlives the method. The job has already checked what the spec
// can say: which data there are, shapes, labels within the model's classes, batch norm present.
struct MethodContext {
  model::Model& model;
  const std::vector<data::Dataset>& sources;  // labelled; empty unless the spec takes them
  const data::Dataset& target;  // labels in it are for those methods only that require them
  at::Device device;
  Settings settings;  // every hyperparameter of the spec
  const ExtraInputs& inputs;
  // Labelled, of the same domains as `sources` and not in them, for validators; empty without.
  std::vector<data::Dataset> held_out = {};
  uint64_t seed = 0;              // of samplers that a method makes for itself
  bool fresh = false;             // the model has new weights: there is no checkpoint to refer to
  double time_limit_seconds = 0;  // of the run, from its beginning; 0: none
  // For the examiner of the guard and for nothing else; null unless the job says `use_audit`.
  const selection::GuardLabels* guard_labels = nullptr;
};

// Makes the task: plans its steps, builds modules of its own (initialised from the default CPU
// generator). Leaves the model as it is. INVALID_ARGUMENT: what only the method can see to be
// wrong.
using MakeTask = absl::StatusOr<std::unique_ptr<train::Task>> (*)(const MethodContext& context);

struct MethodEntry {
  MethodSpec spec;
  MakeTask make_task;
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_METHOD_H_
