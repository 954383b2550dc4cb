// What estimates of accuracy were worth on models whose true accuracy is known: the bank that
// intervals come from.
#ifndef ACCLIMATE_CORE_SELECTION_ESTIMATE_BANK_H_
#define ACCLIMATE_CORE_SELECTION_ESTIMATE_BANK_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/selection/estimators/evidence.h"

namespace acclimate::selection {

// One model on one target, judged with what a job of that kind knows. Accuracies are in [0, 1].
struct BankRow {
  std::string task;  // "gas1_gas2"
  std::string kind;  // of data: "image", "series", "table", "text"
  Knowledge knowledge = Knowledge::kNothing;
  std::string role;                   // "source", "adapted"
  std::string method;                 // "source", "statistics", "dann1", "dann2"
  double accuracy_source = 0;         // at home; 0 where nothing is known of it
  double cot = 0, atc = 0, dis2 = 0;  // 0 where there is none
  double estimate = 0, spread = 0;    // of those that there are (Estimates)
  double truth = 0;
};

// A 90 % interval, in [0, 1], and its middle: the median.
struct AccuracyInterval {
  double low = 0, median = 0, high = 1;
};

class EstimateBank {
 public:
  // core/selection/estimate_bank.csv, which tests/bench/estimate_bank makes.
  static const EstimateBank& Shipped();
  // INVALID_ARGUMENT names the line that cannot be read.
  static absl::StatusOr<EstimateBank> Parse(const std::string& csv);
  explicit EstimateBank(std::vector<BankRow> rows) : rows_(std::move(rows)) {}

  // The rows of all tasks but those whose name begins with `prefix`.
  EstimateBank Without(const std::string& prefix) const;

  // For estimates of mean m and a model that has `accuracy_source` right at home (0 where nothing
  // is known of it), with s = ScaleOf(accuracy_source - m, spread): m + s [q05, q50, q95], q the
  // quantiles of (truth - m) / s over the rows of models of which something is known at home, or
  // over those of which nothing is, as of this one. Every task weighs the same, and this one is one
  // more, taken to lie beyond either end (as in conformal prediction; Vovk et al., 2005). From no
  // rows: [0, 1].
  AccuracyInterval IntervalFor(double mean, double spread, double accuracy_source,
                               Knowledge knowledge) const;

  const std::vector<BankRow>& rows() const { return rows_; }

 private:
  std::vector<BankRow> rows_;
};

// Header and rows, as Parse() takes them.
std::string ToCsv(const std::vector<BankRow>& rows);

// How far off an estimate may be, by u = max(drop, spread / 2): 3 points for u below 3, 17 above.
// Estimators that contradict each other know as little as those that see a large drop. A third
// step, 6 points for u from 3 to 10, fits published runs on images; in the bank it narrows nothing.
double ScaleOf(double drop, double spread);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_ESTIMATE_BANK_H_
