// An audit: the accuracy on the target from a few labelled samples of it, drawn at random, and from
// what the models say of all of them. Free of LibTorch: jobs compute it, and so does the command
// line after a job.
#ifndef ACCLIMATE_CORE_REPORT_AUDIT_H_
#define ACCLIMATE_CORE_REPORT_AUDIT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "absl/status/status.h"

namespace acclimate::report {

struct AuditLabel {
  int64_t index = 0;  // of the sample in the target's file, from 0
  int64_t label = 0;
};

// The labels are of different samples of the target, drawn at random without replacement, and are
// classes. INVALID_ARGUMENT names the first index or label at fault: "index 7 is given twice".
absl::Status CheckAuditLabels(const std::vector<AuditLabel>& labels, int64_t samples,
                              int64_t classes);

// What one model says of the target's N samples.
struct ModelOutputs {
  std::vector<int64_t> predicted;  // classes
  std::vector<float> confidence;   // calibrated probability of the predicted class, in [0, 1]
};

// 90 % of the intervals hold the true value.
struct AuditInterval {
  double value = 0;
  double low = 0, high = 0;
};

// The mean of a quantity y over N samples, from n of them drawn at random without replacement, and
// a predictor f that is known for all (PPI++: Angelopoulos, Duchi & Zrnic 2023):
//
//   lambda = clip(cov(y, f) / (var(f) (1 + n/N)), 0, 1)
//   value  = lambda mean_N(f) + mean_n(y - lambda f)
//   half-width = 1.645 sqrt(var(y - lambda f) (1 - n/N) / n)
//
// Two pseudo-observations, y = `least` and y = `most` with the mean of f, take part in the n, each
// with the weight `weight` (1 - n/N): without them the interval has no width where every label is
// right. With fewer than kLeastForPredictor labels lambda is 0. For y in {0, 1} and
// weight 1.645^2/2 that is the interval of Agresti & Coull (The American Statistician, 1998); for
// differences of paired answers in {-1, 0, 1} and weight 1 that of Bonett & Price (J. Educ. Behav.
// Stat., 2012). n = N: the mean itself.
struct PseudoObservations {
  double least = 0, most = 1, weight = 0;
};
AuditInterval MeanInterval(const std::vector<double>& y, const std::vector<double>& f,
                           double mean_of_all_f, int64_t population,
                           const PseudoObservations& pseudo);
constexpr size_t kLeastForPredictor = 100;

// The mean of differences of paired answers y in {-1, 0, 1}, without a predictor.
AuditInterval MeanDifference(const std::vector<double>& y, int64_t population);

struct Audit {
  int64_t labels = 0;      // n
  int64_t population = 0;  // N
  std::optional<AuditInterval> source, gain;
  AuditInterval returned;
};

// The accuracies of the returned model and, where there is one, of the source model, and the gain
// of the first over the second on the same samples. Where both say the same of every sample the
// gain is 0. `labels` have been checked and are not none.
Audit ComputeAudit(const std::vector<AuditLabel>& labels, const std::optional<ModelOutputs>& source,
                   const ModelOutputs& returned);

// "audited_accuracy", "audited_source_accuracy" and "audited_gain", each with "_low" and "_high".
std::map<std::string, double> AuditMetrics(const Audit& audit);

// Puts the audit into a report of a job, under `audit` and `metrics`.
void AddAudit(const Audit& audit, nlohmann::json& report);

}  // namespace acclimate::report

#endif  // ACCLIMATE_CORE_REPORT_AUDIT_H_
