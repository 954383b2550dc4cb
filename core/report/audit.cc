#include "core/report/audit.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "absl/strings/str_cat.h"

namespace acclimate::report {
namespace {

constexpr double kZ90 = 1.645;  // 5 % of a normal distribution lie above
constexpr PseudoObservations kAgrestiCoull = {0, 1, kZ90* kZ90 / 2};
constexpr PseudoObservations kBonettPrice = {-1, 1, 1};

double MeanOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// A model that diverged is not sure of anything.
double ConfidenceAt(const ModelOutputs& outputs, int64_t index) {
  const double confidence = outputs.confidence[static_cast<size_t>(index)];
  return std::isfinite(confidence) ? confidence : 0;
}

double RightAt(const ModelOutputs& outputs, const AuditLabel& label) {
  return outputs.predicted[static_cast<size_t>(label.index)] == label.label ? 1 : 0;
}

// Of one model: y is whether it is right, f how sure it is.
AuditInterval AccuracyInterval(const std::vector<AuditLabel>& labels, const ModelOutputs& outputs) {
  const auto population = static_cast<int64_t>(outputs.predicted.size());
  std::vector<double> y, f, all;
  for (const AuditLabel& label : labels) {
    y.push_back(RightAt(outputs, label));
    f.push_back(ConfidenceAt(outputs, label.index));
  }
  for (int64_t i = 0; i < population; ++i) all.push_back(ConfidenceAt(outputs, i));
  AuditInterval interval = MeanInterval(y, f, MeanOf(all), population, kAgrestiCoull);
  for (double* end : {&interval.value, &interval.low, &interval.high}) {
    *end = std::clamp(*end, 0.0, 1.0);
  }
  return interval;
}

// y is 1 where only the returned model is right, -1 where only the source model is; f is how much
// surer the returned model is, where both differ. Where they say the same, both are known to be 0.
AuditInterval GainInterval(const std::vector<AuditLabel>& labels, const ModelOutputs& source,
                           const ModelOutputs& returned) {
  const auto population = static_cast<int64_t>(returned.predicted.size());
  const auto surer = [&](int64_t i) {
    const auto place = static_cast<size_t>(i);
    if (source.predicted[place] == returned.predicted[place]) return 0.0;
    return ConfidenceAt(returned, i) - ConfidenceAt(source, i);
  };
  if (source.predicted == returned.predicted) return {};
  std::vector<double> y, f, all;
  for (const AuditLabel& label : labels) {
    y.push_back(RightAt(returned, label) - RightAt(source, label));
    f.push_back(surer(label.index));
  }
  for (int64_t i = 0; i < population; ++i) all.push_back(surer(i));
  return MeanInterval(y, f, MeanOf(all), population, kBonettPrice);
}

nlohmann::json ToJson(const AuditInterval& interval) {
  return {{"value", interval.value}, {"low", interval.low}, {"high", interval.high}};
}

}  // namespace

absl::Status CheckAuditLabels(const std::vector<AuditLabel>& labels, int64_t samples,
                              int64_t classes) {
  std::unordered_set<int64_t> seen;
  for (const AuditLabel& label : labels) {
    if (label.index < 0 || label.index >= samples) {
      return absl::InvalidArgumentError(absl::StrCat(
          "index ", label.index, " is out of range: the target has ", samples, " samples"));
    }
    if (!seen.insert(label.index).second) {
      return absl::InvalidArgumentError(absl::StrCat("index ", label.index, " is given twice"));
    }
    if (label.label < 0 || label.label >= classes) {
      return absl::InvalidArgumentError(absl::StrCat("label ", label.label, " of index ",
                                                     label.index, " is out of range: there are ",
                                                     classes, " classes"));
    }
  }
  return absl::OkStatus();
}

AuditInterval MeanInterval(const std::vector<double>& y, const std::vector<double>& f,
                           double mean_of_all_f, int64_t population,
                           const PseudoObservations& pseudo) {
  const auto n = static_cast<double>(y.size()), all = static_cast<double>(population);
  const double unseen = 1 - n / all;
  if (unseen <= 0) {
    const double mean = MeanOf(y);
    return {mean, mean, mean};
  }
  std::vector<double> values = y, predictors = f, weights(y.size(), 1.0);
  const double mean_of_f = MeanOf(f);
  for (const double value : {pseudo.least, pseudo.most}) {
    values.push_back(value);
    predictors.push_back(mean_of_f);
    weights.push_back(pseudo.weight * unseen);
  }
  const double total = n + 2 * pseudo.weight * unseen;
  const auto weighted_mean = [&](const auto& term) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += weights[i] * term(i);
    return sum / total;
  };
  const double mean_y = weighted_mean([&](size_t i) { return values[i]; });
  const double covariance =
      weighted_mean([&](size_t i) { return (values[i] - mean_y) * (predictors[i] - mean_of_f); });
  const double variance_f = weighted_mean(
      [&](size_t i) { return (predictors[i] - mean_of_f) * (predictors[i] - mean_of_f); });
  double lambda = 0;
  if (y.size() >= kLeastForPredictor && variance_f > 0) {
    lambda = std::clamp(covariance / (variance_f * (1 + n / all)), 0.0, 1.0);
  }
  const double mean_rest = mean_y - lambda * mean_of_f;
  const double variance_rest = weighted_mean([&](size_t i) {
    const double rest = values[i] - lambda * predictors[i] - mean_rest;
    return rest * rest;
  });
  const double value = lambda * mean_of_all_f + mean_rest;
  const double half_width = kZ90 * std::sqrt(variance_rest * unseen / total);
  return {value, value - half_width, value + half_width};
}

AuditInterval MeanDifference(const std::vector<double>& y, int64_t population) {
  return MeanInterval(y, std::vector<double>(y.size(), 0.0), 0, population, kBonettPrice);
}

Audit ComputeAudit(const std::vector<AuditLabel>& labels, const std::optional<ModelOutputs>& source,
                   const ModelOutputs& returned) {
  Audit audit;
  audit.labels = static_cast<int64_t>(labels.size());
  audit.population = static_cast<int64_t>(returned.predicted.size());
  audit.returned = AccuracyInterval(labels, returned);
  if (source) {
    audit.source = AccuracyInterval(labels, *source);
    audit.gain = GainInterval(labels, *source, returned);
  }
  return audit;
}

std::map<std::string, double> AuditMetrics(const Audit& audit) {
  std::map<std::string, double> metrics;
  const auto add = [&metrics](const std::string& name, const AuditInterval& interval) {
    metrics[name] = interval.value;
    metrics[absl::StrCat(name, "_low")] = interval.low;
    metrics[absl::StrCat(name, "_high")] = interval.high;
  };
  add("audited_accuracy", audit.returned);
  if (audit.source) add("audited_source_accuracy", *audit.source);
  if (audit.gain) add("audited_gain", *audit.gain);
  return metrics;
}

void AddAudit(const Audit& audit, nlohmann::json& report) {
  nlohmann::json json = {{"labels", audit.labels},
                         {"population", audit.population},
                         {"returned", ToJson(audit.returned)}};
  if (audit.source) json["source"] = ToJson(*audit.source);
  if (audit.gain) json["gain"] = ToJson(*audit.gain);
  report["audit"] = std::move(json);
  for (const auto& [name, value] : AuditMetrics(audit)) report["metrics"][name] = value;
}

}  // namespace acclimate::report
