// report.json, report.html and lineage.json. docs/report.md describes the first.
#ifndef ACCLIMATE_CORE_JOB_REPORT_H_
#define ACCLIMATE_CORE_JOB_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "core/data/dataset.h"
#include "core/job/conventions.h"
#include "core/job/cost.h"
#include "core/job/evaluation.h"
#include "core/job/normalization.h"
#include "core/job/run.h"
#include "core/job/training_anew.h"
#include "core/methods/method_spec.h"
#include "core/report/audit.h"
#include "core/selection/source_record.h"
#include "core/train/learning_curves.h"
#include "core/train/update_limits.h"

namespace acclimate::job {

// What a run found out.
struct Findings {
  methods::Hyperparameters hyperparameters;
  ChosenNormalization normalization;
  Conventions conventions;
  std::string device, precision;
  int64_t steps = 0;
  train::UpdateLimits update_limits;
  std::map<std::string, double> seconds_by_phase;
  std::map<std::string, std::vector<train::CurvePoint>> curves;
  Evaluation source_only, adapted;  // on the evaluation data, before and after
  absl::optional<selection::SourceRecord> source_record;  // of the checkpoint
  absl::optional<report::Audit> audit;
  at::Tensor evaluated;                    // by the method `evaluate`: its confusion matrix [C, C]
  nlohmann::json view_before, view_after;  // of feature_view.h; null where nothing was looked at
  std::vector<double> source_prior;        // shares of the classes among the sources' labels
  std::map<std::string, int64_t> samples;  // by what they were given as
  std::map<std::string, double> metrics;   // of the method, at its end
  Cost cost;
  int64_t labels = 0;  // of target samples, that the method learned from or was probed with
  absl::optional<int64_t> changed_bytes;  // of the checkpoint's tensors, in the model that came out
  absl::optional<TrainingAnew> training_anew;
  std::vector<std::string> warnings;
};

// Numbers and texts as JSON has them.
nlohmann::json ToJson(const methods::Hyperparameters& hyperparameters);

// Everything but what the task adds, and the verdict, which needs all of it.
nlohmann::json Report(const RunSpec& spec, const Findings& findings);

// Where the model comes from: parent and data by digest, spec, versions, seed, precision, metrics.
nlohmann::json Lineage(const RunSpec& spec, const Findings& findings,
                       const std::map<std::string, double>& metrics);

// Both write atomically.
absl::Status WriteJson(const std::string& path, const nlohmann::json& document);
absl::Status WriteText(const std::string& path, const std::string& text);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_REPORT_H_
