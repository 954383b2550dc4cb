#include "core/job/report.h"

#include <ATen/ATen.h>
#include <torch/version.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/io/atomic_file.h"
#include "core/train/pass.h"

namespace acclimate::job {
namespace {

using nlohmann::json;

constexpr int kReportVersion = 2;  // 2: verdict, metrics, views, calibration, cost, lineage
constexpr int kLineageVersion = 1;

json MatrixToJson(const at::Tensor& matrix) {
  json rows = json::array();
  const auto cell = matrix.accessor<int64_t, 2>();
  for (int64_t i = 0; i < matrix.size(0); ++i) {
    json row = json::array();
    for (int64_t j = 0; j < matrix.size(1); ++j) row.push_back(cell[i][j]);
    rows.push_back(std::move(row));
  }
  return rows;
}

// NaN, of a class without samples, is written as null.
json Scores(const at::Tensor& confusion) {
  return {{"accuracy", train::Accuracy(confusion)},
          {"per_class_accuracy", train::PerClassAccuracy(confusion)},
          {"confusion_matrix", MatrixToJson(confusion)}};
}

// Bins without samples have null for what they cannot say.
json Calibration(const at::Tensor& reliability) {
  const auto bin = reliability.accessor<double, 2>();
  const double all = std::max(reliability.select(1, 0).sum().item<double>(), 1.0);
  json bins = json::array();
  double error = 0;
  for (int64_t i = 0; i < reliability.size(0); ++i) {
    const double samples = bin[i][0];
    const double confidence = bin[i][1] / samples, accuracy = bin[i][2] / samples;
    bins.push_back({{"samples", static_cast<int64_t>(samples)},
                    {"confidence", confidence},
                    {"accuracy", accuracy}});
    if (samples > 0) error += samples / all * std::abs(confidence - accuracy);
  }
  return {{"bins", std::move(bins)}, {"expected_calibration_error", error}};
}

json Scores(const Evaluation& evaluation) {
  json scores = Scores(evaluation.confusion);
  scores["calibration"] = Calibration(evaluation.reliability);
  return scores;
}

json NormalizationToJson(const ChosenNormalization& normalization) {
  json values = {{"mean", normalization.values.mean},
                 {"std", normalization.values.std},
                 {"from", normalization.from}};
  if (normalization.values.clip > 0) values["clip"] = normalization.values.clip;
  if (normalization.values.raw_bytes) values["raw_bytes"] = true;
  return values;
}

// Digests of what went in, and the versions that worked on it.
json Origin(const RunSpec& spec) {
  const auto parent = spec.lineage.find("checkpoint");
  return {{"parent", parent == spec.lineage.end() ? json() : json(parent->second)},
          {"inputs", spec.lineage},
          {"versions", {{"acclimate", ACCLIMATE_VERSION}, {"libtorch", TORCH_VERSION}}}};
}

json CostToJson(const Findings& findings) {
  json cost = {{"core_seconds", findings.cost.core_seconds},
               {"peak_bytes", findings.cost.peak_bytes},
               {"labels", findings.labels}};
  if (findings.changed_bytes) cost["changed_bytes"] = *findings.changed_bytes;
  if (!findings.training_anew) return cost;
  const TrainingAnew& anew = *findings.training_anew;
  cost["training_anew"] = {
      {"labels", anew.labels},
      {"samples_seen", anew.samples_seen},
      {"core_seconds", anew.core_seconds},
      {"changed_bytes", anew.changed_bytes},
      {"share_of_core_seconds", findings.cost.core_seconds / anew.core_seconds}};
  if (const int64_t saved = anew.labels - findings.labels; saved > 0) {
    const double more = std::max(0.0, findings.cost.core_seconds - anew.core_seconds);
    cost["training_anew"]["break_even_per_label"] = more / static_cast<double>(saved);
  }
  return cost;
}

json ViewsToJson(const Findings& findings) {
  json views = json::object();
  if (!findings.view_before.is_null()) views["before"] = findings.view_before;
  if (!findings.view_after.is_null()) views["after"] = findings.view_after;
  return views;
}

}  // namespace

json ToJson(const methods::Hyperparameters& hyperparameters) {
  json object = json::object();
  for (const auto& [name, value] : hyperparameters) {
    std::visit([&object, &name = name](const auto& v) { object[name] = v; }, value);
  }
  return object;
}

json Report(const RunSpec& spec, const Findings& findings) {
  json report = {{"schema_version", kReportVersion},
                 {"method", spec.method},
                 {"hyperparameters", ToJson(findings.hyperparameters)},
                 {"seed", spec.seed},
                 {"device", findings.device},
                 {"precision", findings.precision},
                 {"normalization", NormalizationToJson(findings.normalization)},
                 {"steps", findings.steps},
                 {"seconds", findings.seconds_by_phase},
                 {"cost", CostToJson(findings)},
                 {"samples", findings.samples},
                 {"metrics", findings.metrics},
                 {"views", ViewsToJson(findings)},
                 {"lineage", Origin(spec)},
                 {"curves", train::ToJson(findings.curves)},
                 {"warnings", findings.warnings}};
  if (findings.update_limits.any()) {
    report["update_limits"] = {{"warm_up_steps", findings.update_limits.warm_up_steps},
                               {"gradient_norm", findings.update_limits.gradient_norm}};
  }
  if (!findings.conventions.class_names.empty()) {
    report["class_names"] = findings.conventions.class_names;
  }
  if (!findings.source_prior.empty()) report["source_prior"] = findings.source_prior;
  if (findings.source_only.confusion.defined()) {
    report["source_only"] = Scores(findings.source_only);
  }
  if (findings.adapted.confusion.defined()) report["adapted"] = Scores(findings.adapted);
  if (findings.evaluated.defined()) report.update(Scores(findings.evaluated));
  if (findings.source_record) {
    report["source_record"] = {{"accuracy", findings.source_record->accuracy},
                               {"temperature", findings.source_record->temperature},
                               {"samples", findings.source_record->samples}};
  }
  if (findings.audit) report::AddAudit(*findings.audit, report);
  return report;
}

json Lineage(const RunSpec& spec, const Findings& findings,
             const std::map<std::string, double>& metrics) {
  json lineage = Origin(spec);
  lineage["schema_version"] = kLineageVersion;
  lineage["spec"] = {{"method", spec.method},
                     {"architecture", spec.architecture},
                     {"hyperparameters", ToJson(findings.hyperparameters)}};
  if (spec.use_audit) lineage["spec"]["use_audit"] = true;
  lineage["seed"] = spec.seed;
  lineage["precision"] = findings.precision;
  lineage["normalization"] = NormalizationToJson(findings.normalization);
  if (findings.conventions.table) lineage["table"] = data::ToJson(*findings.conventions.table);
  if (const auto& pictures = findings.conventions.pictures) {
    lineage["pictures"] = {
        {"size", pictures->size}, {"resize", pictures->resize}, {"channels", pictures->channels}};
  }
  if (!findings.conventions.class_names.empty()) {
    lineage["class_names"] = findings.conventions.class_names;
  }
  lineage["metrics"] = metrics;
  return lineage;
}

absl::Status WriteJson(const std::string& path, const json& document) {
  return WriteText(path, document.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = file->Write(text); !status.ok()) return status;
  return file->Commit();
}

}  // namespace acclimate::job
