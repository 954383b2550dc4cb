#include "core/selection/estimate_bank.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/selection/embedded_bank.h"

namespace acclimate::selection {
namespace {

constexpr char kHeader[] =
    "task,kind,knowledge,role,method,accuracy_source,cot,atc,dis2,estimate,spread,truth";
constexpr size_t kColumns = 12;
constexpr double kOutside = 0.05;  // of the interval, on either side

constexpr std::pair<const char*, Knowledge> kKnowledgeNames[] = {{"nothing", Knowledge::kNothing},
                                                                 {"record", Knowledge::kRecord},
                                                                 {"held_out", Knowledge::kHeldOut}};

bool ReadKnowledge(absl::string_view text, Knowledge* knowledge) {
  for (const auto& [name, value] : kKnowledgeNames) {
    if (text != name) continue;
    *knowledge = value;
    return true;
  }
  return false;
}

std::string NameOf(Knowledge knowledge) {
  for (const auto& [name, value] : kKnowledgeNames) {
    if (value == knowledge) return name;
  }
  return "";
}

bool ReadRow(absl::string_view line, BankRow* row) {
  const std::vector<absl::string_view> cells = absl::StrSplit(line, ',');
  if (cells.size() != kColumns) return false;
  row->task = std::string(cells[0]);
  row->kind = std::string(cells[1]);
  row->role = std::string(cells[3]);
  row->method = std::string(cells[4]);
  size_t cell = 5;
  for (double* const number : {&row->accuracy_source, &row->cot, &row->atc, &row->dis2,
                               &row->estimate, &row->spread, &row->truth}) {
    if (!absl::SimpleAtod(cells[cell++], number)) return false;
  }
  return ReadKnowledge(cells[2], &row->knowledge);
}

struct Residual {
  double value = 0, weight = 0;
};

// The smallest value that `share` of the weight does not exceed; for a share of 0 or less the
// first, for one above 1 the last. residuals: sorted, not empty.
double Quantile(const std::vector<Residual>& residuals, double share) {
  double all = 0;
  for (const Residual& residual : residuals) all += residual.weight;
  double below = 0;
  for (const Residual& residual : residuals) {
    below += residual.weight;
    if (below >= share * all) return residual.value;
  }
  return residuals.back().value;
}

double InRange(double share) { return std::clamp(share, 0.0, 1.0); }

}  // namespace

double ScaleOf(double drop, double spread) {
  const double loss = std::max(drop, spread / 2);
  return loss < 0.03 ? 0.03 : 0.17;
}

const EstimateBank& EstimateBank::Shipped() {
  static const auto* const kBank = new EstimateBank(Parse(kEmbeddedBank).value());
  return *kBank;
}

absl::StatusOr<EstimateBank> EstimateBank::Parse(const std::string& csv) {
  std::vector<BankRow> rows;
  const std::vector<absl::string_view> lines = absl::StrSplit(csv, '\n', absl::SkipEmpty());
  if (lines.empty() || lines[0] != kHeader) {
    return absl::InvalidArgumentError(absl::StrCat("bank of estimates: line 1 is not ", kHeader));
  }
  for (size_t i = 1; i < lines.size(); ++i) {
    BankRow row;
    if (!ReadRow(lines[i], &row)) {
      return absl::InvalidArgumentError(
          absl::StrCat("bank of estimates: cannot read line ", i + 1, ": ", lines[i]));
    }
    rows.push_back(std::move(row));
  }
  return EstimateBank(std::move(rows));
}

EstimateBank EstimateBank::Without(const std::string& prefix) const {
  std::vector<BankRow> others;
  for (const BankRow& row : rows_) {
    if (!absl::StartsWith(row.task, prefix)) others.push_back(row);
  }
  return EstimateBank(std::move(others));
}

AccuracyInterval EstimateBank::IntervalFor(double mean, double spread, double accuracy_source,
                                           Knowledge knowledge) const {
  const auto counts = [&](const BankRow& row) {
    return (row.knowledge == Knowledge::kNothing) == (knowledge == Knowledge::kNothing);
  };
  std::map<std::string, int64_t> rows_of_task;
  for (const BankRow& row : rows_) {
    if (counts(row)) ++rows_of_task[row.task];
  }
  std::vector<Residual> residuals;
  for (const BankRow& row : rows_) {
    if (!counts(row)) continue;
    residuals.push_back(
        {(row.truth - row.estimate) / ScaleOf(row.accuracy_source - row.estimate, row.spread),
         1.0 / static_cast<double>(rows_of_task[row.task])});
  }
  if (residuals.empty()) return {0, mean, 1};
  std::sort(residuals.begin(), residuals.end(),
            [](const Residual& a, const Residual& b) { return a.value < b.value; });
  const double scale = ScaleOf(accuracy_source - mean, spread);
  const auto at = [&](double share) { return InRange(mean + scale * Quantile(residuals, share)); };
  // The task asked about is one more: as if it lay beyond either end.
  const double beyond = (1 - kOutside) / static_cast<double>(rows_of_task.size());
  return {at(kOutside - beyond), at(0.5), at(1 - kOutside + beyond)};
}

std::string ToCsv(const std::vector<BankRow>& rows) {
  std::string csv = absl::StrCat(kHeader, "\n");
  for (const BankRow& row : rows) {
    absl::StrAppend(&csv, row.task, ",", row.kind, ",", NameOf(row.knowledge), ",", row.role, ",",
                    row.method);
    for (const double number :
         {row.accuracy_source, row.cot, row.atc, row.dis2, row.estimate, row.spread, row.truth}) {
      absl::StrAppendFormat(&csv, ",%.4f", number);
    }
    absl::StrAppend(&csv, "\n");
  }
  return csv;
}

}  // namespace acclimate::selection
