// What estimates of accuracy were worth on models whose true accuracy is known: the bank that
// intervals come from.
#ifndef ACCLIMATE_CORE_SELECTION_ESTIMATE_BANK_H_
#define ACCLIMATE_CORE_SELECTION_ESTIMATE_BANK_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/selection/estimators/estimator.h"
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
  double estimate = 0;                // Estimates::middle of those that there are
  double truth = 0;                   // of the one asked about it is not read
};

// A model that is asked about: the row without names and truth.
BankRow AsRow(const Evidence& evidence, const Estimates& estimates);

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

  // For a model of which the estimators say what `asked` holds, m the middle one: m + [q05, q50,
  // q95], q the quantiles of truth - m over the models of the bank that are most like it. Alike are
  // models that lost as much by each estimator's account: the distance is Euclidean, between the
  // three drops from the accuracy at home. The nearest kTasks tasks are heard, each as near as its
  // nearest model, with up to kModelsOfTask models, and weigh the same. Where a record or nothing
  // is known of home, too little is known to tell who is like whom: all tasks are heard, and the
  // one asked about is one more, taken to lie beyond either end (as in conformal prediction; Vovk
  // et al., 2005). From no rows: [0, 1].
  AccuracyInterval IntervalFor(const BankRow& asked) const;
  static constexpr size_t kTasks = 14, kModelsOfTask = 8;

  const std::vector<BankRow>& rows() const { return rows_; }

 private:
  std::vector<BankRow> rows_;
};

// Header and rows, as Parse() takes them.
std::string ToCsv(const std::vector<BankRow>& rows);

}  // namespace acclimate::selection

#endif  // ACCLIMATE_CORE_SELECTION_ESTIMATE_BANK_H_
