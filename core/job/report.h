// report.json and lineage.json.
#ifndef ACCLIMATE_CORE_JOB_REPORT_H_
#define ACCLIMATE_CORE_JOB_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/status.h"
#include "core/data/dataset.h"
#include "core/job/run.h"
#include "core/methods/method_spec.h"
#include "core/train/learning_curves.h"

namespace acclimate::job {

// What a run found out. Confusion matrices are [C, C], undefined where nothing was evaluated.
struct Findings {
  methods::Hyperparameters hyperparameters;
  data::Normalization normalization;
  std::string device;
  int64_t steps = 0;
  std::map<std::string, double> seconds_by_phase;
  std::map<std::string, std::vector<train::CurvePoint>> curves;
  at::Tensor source_only, adapted;  // on the evaluation data, before and after
  at::Tensor evaluated;             // by the method `evaluate`
  std::vector<std::string> warnings;
};

// Numbers and texts as JSON has them.
nlohmann::json ToJson(const methods::Hyperparameters& hyperparameters);

// accuracy, per_class_accuracy (null for a class without samples), confusion_matrix (row = true
// class); of `evaluate` at the top, of other methods in "source_only" and "adapted".
nlohmann::json Report(const RunSpec& spec, const Findings& findings);

// Where the model comes from: parent and data by digest, spec, versions, seed, metrics.
nlohmann::json Lineage(const RunSpec& spec, const Findings& findings,
                       const std::map<std::string, double>& metrics);

// Writes atomically.
absl::Status WriteJson(const std::string& path, const nlohmann::json& document);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_REPORT_H_
