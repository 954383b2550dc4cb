// Everything that `diagnose` finds out, and its form in report.json under "diagnosis".
#ifndef ACCLIMATE_CORE_METHODS_DIAGNOSIS_DIAGNOSIS_H_
#define ACCLIMATE_CORE_METHODS_DIAGNOSIS_DIAGNOSIS_H_

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "absl/types/optional.h"
#include "core/shift/concept_test.h"
#include "core/shift/output_measures.h"
#include "core/shift/place_measures.h"
#include "core/shift/transfer_scores.h"
#include "core/shift/verdict.h"

namespace acclimate::methods {

struct ModelScores {
  std::string model;  // "checkpoint", "candidate_1"
  shift::TransferScores scores;
};

struct Diagnosis {
  int64_t source_samples = 0, target_samples = 0, probe_samples = 0;
  std::vector<std::string> places;
  std::vector<shift::PlaceMeasures> measures;  // of each place
  shift::OutputMeasures outputs;
  double residual_p_value = 1, residual_distance = 0;
  shift::ConfidenceTest confidence;
  absl::optional<shift::LabelEvidence> labels;
  std::vector<double> source_distances;  // proxy A-distance of each source at the features
  bool scored_on_probe = false;          // false: on the labels of the sources
  std::vector<ModelScores> models;

  shift::Evidence Evidence() const;
};

// diagnosis: {samples, matrix: {places, measures, values[place][measure]}, outputs, label_prior,
// confidence, labels, source_a_distances, transferability, verdict}. See docs/diagnosis.md.
nlohmann::json ToJson(const Diagnosis& diagnosis, const std::vector<shift::MethodOffer>& offers,
                      const shift::Available& available);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_DIAGNOSIS_DIAGNOSIS_H_
