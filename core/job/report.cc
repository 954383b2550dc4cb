#include "core/job/report.h"

#include <torch/types.h>
#include <torch/version.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/io/atomic_file.h"
#include "core/train/pass.h"

namespace acclimate::job {
namespace {

using nlohmann::json;

constexpr int kSchemaVersion = 1;

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

json CurvesToJson(const std::map<std::string, std::vector<train::CurvePoint>>& curves) {
  json all = json::object();
  for (const auto& [name, points] : curves) {
    json steps = json::array(), values = json::array();
    for (const train::CurvePoint& point : points) {
      steps.push_back(point.step);
      values.push_back(point.value);
    }
    all[name] = {{"step", std::move(steps)}, {"value", std::move(values)}};
  }
  return all;
}

json NormalizationToJson(const data::Normalization& normalization) {
  return {{"mean", normalization.mean}, {"std", normalization.std}};
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
  json report = {{"schema_version", kSchemaVersion},
                 {"method", spec.method},
                 {"hyperparameters", ToJson(findings.hyperparameters)},
                 {"seed", spec.seed},
                 {"device", findings.device},
                 {"normalization", NormalizationToJson(findings.normalization)},
                 {"steps", findings.steps},
                 {"seconds", findings.seconds_by_phase},
                 {"curves", CurvesToJson(findings.curves)},
                 {"warnings", findings.warnings}};
  if (findings.source_only.defined()) report["source_only"] = Scores(findings.source_only);
  if (findings.adapted.defined()) report["adapted"] = Scores(findings.adapted);
  if (findings.evaluated.defined()) report.update(Scores(findings.evaluated));
  return report;
}

json Lineage(const RunSpec& spec, const Findings& findings,
             const std::map<std::string, double>& metrics) {
  const auto parent = spec.lineage.find("checkpoint");
  return {{"schema_version", kSchemaVersion},
          {"parent", parent == spec.lineage.end() ? json() : json(parent->second)},
          {"inputs", spec.lineage},
          {"spec",
           {{"method", spec.method},
            {"architecture", spec.architecture},
            {"hyperparameters", ToJson(findings.hyperparameters)}}},
          {"seed", spec.seed},
          {"normalization", NormalizationToJson(findings.normalization)},
          {"versions", {{"acclimate", ACCLIMATE_VERSION}, {"libtorch", TORCH_VERSION}}},
          {"metrics", metrics}};
}

absl::Status WriteJson(const std::string& path, const json& document) {
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  absl::Status status = file->Write(document.dump(2, ' ', false, json::error_handler_t::replace));
  status.Update(file->Write("\n"));
  if (!status.ok()) return status;
  return file->Commit();
}

}  // namespace acclimate::job
