#include "core/methods/diagnosis/diagnosis.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>

namespace acclimate::methods {
namespace {

using nlohmann::json;

// One column of the matrix.
struct Column {
  const char* name;
  double shift::PlaceMeasures::*value;
};
constexpr Column kColumns[] = {{"js_divergence", &shift::PlaceMeasures::js_divergence},
                               {"mmd_squared", &shift::PlaceMeasures::mmd_squared},
                               {"mmd_p_value", &shift::PlaceMeasures::mmd_p_value},
                               {"a_distance", &shift::PlaceMeasures::a_distance},
                               {"coral_distance", &shift::PlaceMeasures::coral_distance}};

json Matrix(const Diagnosis& diagnosis) {
  json measures = json::array(), values = json::array();
  for (const Column& column : kColumns) measures.push_back(column.name);
  for (const shift::PlaceMeasures& place : diagnosis.measures) {
    json row = json::array();
    for (const Column& column : kColumns) row.push_back(place.*column.value);
    values.push_back(std::move(row));
  }
  return {{"places", diagnosis.places}, {"measures", measures}, {"values", values}};
}

json Values(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kDouble).contiguous();
  const double* const begin = values.data_ptr<double>();
  return std::vector<double>(begin, begin + values.numel());
}

json Outputs(const shift::OutputMeasures& outputs) {
  return {{"source_error", outputs.source_error},
          {"source_entropy", outputs.source_entropy},
          {"target_entropy", outputs.target_entropy},
          {"temperature", outputs.calibration.temperature},
          {"calibration_error", outputs.calibration_error},
          {"calibrated_error", outputs.calibrated_error},
          {"prediction_js_divergence", outputs.prediction_js_divergence},
          {"prediction_p_value", outputs.prediction_p_value}};
}

json LabelPrior(const Diagnosis& diagnosis) {
  const shift::OutputMeasures& outputs = diagnosis.outputs;
  return {{"source", Values(outputs.source_prior)},
          {"target_estimate", Values(outputs.target_prior)},
          {"overlap", outputs.label_overlap},
          {"aligned_target_estimate", Values(outputs.aligned_target_prior)},
          {"aligned_overlap", outputs.aligned_label_overlap},
          {"residual_mmd_p_value", diagnosis.residual_p_value},
          {"residual_a_distance", diagnosis.residual_distance}};
}

json Labels(const absl::optional<shift::LabelEvidence>& labels) {
  if (!labels) return json();
  return {{"p_value", labels->p_value},
          {"samples_in_overlap", labels->samples},
          {"accuracy", labels->accuracy},
          {"expected_accuracy", labels->expected_accuracy}};
}

json Transferability(const Diagnosis& diagnosis) {
  json models = json::array();
  for (const ModelScores& model : diagnosis.models) {
    models.push_back({{"model", model.model},
                      {"logme", model.scores.logme},
                      {"leep", model.scores.leep},
                      {"nce", model.scores.nce},
                      {"h_score", model.scores.h_score},
                      {"transrate", model.scores.transrate}});
  }
  return {
      {"labels_of", diagnosis.scored_on_probe ? "probe" : "sources"},
      {"meaning", diagnosis.scored_on_probe
                      ? "how well each model suits the labelled target samples; higher is better"
                      : "how well each model suits the sources: without labels of the target "
                        "nothing is said about the target"},
      {"models", models}};
}

json Verdict(const Diagnosis& diagnosis, const std::vector<shift::MethodOffer>& offers,
             const shift::Available& available) {
  const shift::Evidence evidence = diagnosis.Evidence();
  const shift::Finding finding = shift::Judge(evidence);
  const shift::Fitness fitness = shift::FitMethods(finding, evidence, offers, available);
  json unfit = json::array();
  for (const shift::Unfit& method : fitness.unfit) {
    unfit.push_back({{"name", method.method}, {"reason", method.reason}});
  }
  // Target error <= source error + divergence + lambda, the divergence half of that of the
  // symmetric difference (Ben-David et al. 2010, theorem 2).
  const double divergence = evidence.feature_distance / 2;
  return {{"sentence", shift::Sentence(finding, evidence)},
          {"kind", shift::KindText(finding)},
          {"kinds", shift::KindNames(finding)},
          {"strength", shift::StrengthText(finding.strength)},
          {"methods_that_fit", fitness.fit},
          {"methods_that_cannot", unfit},
          {"ben_david",
           {{"source_error", evidence.source_error},
            {"divergence", divergence},
            {"known_part", evidence.source_error + divergence},
            {"cannot_be_known", shift::Unknowns(evidence)}}}};
}

}  // namespace

shift::Evidence Diagnosis::Evidence() const {
  const shift::PlaceMeasures& input = measures.front();
  const shift::PlaceMeasures& feature = measures[measures.size() - 2];
  const shift::PlaceMeasures& output = measures.back();
  shift::Evidence evidence;
  evidence.input_p_value = input.mmd_p_value;
  evidence.input_distance = input.a_distance;
  evidence.feature_p_value = feature.mmd_p_value;
  evidence.feature_distance = feature.a_distance;
  evidence.output_p_value = output.mmd_p_value;
  evidence.output_distance = output.a_distance;
  evidence.prediction_p_value = outputs.prediction_p_value;
  evidence.label_overlap = outputs.label_overlap;
  evidence.aligned_label_overlap = outputs.aligned_label_overlap;
  evidence.residual_p_value = residual_p_value;
  evidence.residual_distance = residual_distance;
  evidence.source_error = outputs.source_error;
  evidence.confidence_p_value = confidence.p_value;
  evidence.labels = labels;
  return evidence;
}

json ToJson(const Diagnosis& diagnosis, const std::vector<shift::MethodOffer>& offers,
            const shift::Available& available) {
  return {{"samples",
           {{"source", diagnosis.source_samples},
            {"target", diagnosis.target_samples},
            {"probe", diagnosis.probe_samples}}},
          {"matrix", Matrix(diagnosis)},
          {"outputs", Outputs(diagnosis.outputs)},
          {"label_prior", LabelPrior(diagnosis)},
          {"confidence",
           {{"source_entropy", diagnosis.confidence.source_entropy},
            {"aligned_target_entropy", diagnosis.confidence.target_entropy},
            {"p_value", diagnosis.confidence.p_value}}},
          {"labels", Labels(diagnosis.labels)},
          {"source_a_distances", diagnosis.source_distances},
          {"transferability", Transferability(diagnosis)},
          {"verdict", Verdict(diagnosis, offers, available)}};
}

}  // namespace acclimate::methods
