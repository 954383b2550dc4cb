#include "core/selection/estimate_bank.h"

#include <algorithm>
#include <cmath>
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
    "task,kind,knowledge,role,method,accuracy_source,cot,atc,dis2,estimate,truth";
constexpr size_t kColumns = 11;
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
  for (double* const number :
       {&row->accuracy_source, &row->cot, &row->atc, &row->dis2, &row->estimate, &row->truth}) {
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

// A model of the bank, as seen from the one that is asked about.
struct Neighbor {
  double distance = 0, residual = 0;
};

bool IsNearer(const Neighbor& a, const Neighbor& b) { return a.distance < b.distance; }

// Between what estimators say was lost. Where they were not all heard, no model is nearer.
double Distance(const BankRow& asked, const BankRow& row) {
  if (asked.knowledge != Knowledge::kHeldOut) return 0;
  const auto difference = [&](double BankRow::*estimate) {
    return (asked.accuracy_source - asked.*estimate) - (row.accuracy_source - row.*estimate);
  };
  return std::hypot(difference(&BankRow::cot), difference(&BankRow::atc),
                    difference(&BankRow::dis2));
}

// Whether a model of the bank tells something of one of which so much is known: estimates are of
// the same kind, but for a record's, which lack Dis2 and are few.
bool IsHeard(const BankRow& row, Knowledge known) {
  return known == Knowledge::kRecord ? row.knowledge != Knowledge::kNothing
                                     : row.knowledge == known;
}

}  // namespace

BankRow AsRow(const Evidence& evidence, const Estimates& estimates) {
  const auto of = [&](const char* estimator) {
    const auto found = estimates.by_name.find(estimator);
    return found == estimates.by_name.end() ? 0.0 : found->second;
  };
  BankRow row;
  row.knowledge = evidence.knowledge;
  row.accuracy_source = evidence.home.accuracy;
  row.cot = of("cot");
  row.atc = of("atc");
  row.dis2 = of("dis2");
  row.estimate = estimates.middle;
  return row;
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

AccuracyInterval EstimateBank::IntervalFor(const BankRow& asked) const {
  const bool selects = asked.knowledge == Knowledge::kHeldOut;
  std::map<std::string, std::vector<Neighbor>> by_task;
  for (const BankRow& row : rows_) {
    if (!IsHeard(row, asked.knowledge)) continue;
    by_task[row.task].push_back({Distance(asked, row), row.truth - row.estimate});
  }
  std::vector<std::vector<Neighbor>> tasks;
  for (auto& [task, neighbors] : by_task) {
    std::stable_sort(neighbors.begin(), neighbors.end(), IsNearer);
    if (selects) neighbors.resize(std::min(neighbors.size(), kModelsOfTask));
    tasks.push_back(std::move(neighbors));
  }
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const auto& a, const auto& b) { return IsNearer(a.front(), b.front()); });
  double beyond = 0;
  if (selects) {
    tasks.resize(std::min(tasks.size(), kTasks));
  } else if (!tasks.empty()) {
    beyond = (1 - kOutside) / static_cast<double>(tasks.size());
  }
  std::vector<Residual> residuals;
  for (const std::vector<Neighbor>& neighbors : tasks) {
    for (const Neighbor& neighbor : neighbors) {
      residuals.push_back({neighbor.residual, 1.0 / static_cast<double>(neighbors.size())});
    }
  }
  if (residuals.empty()) return {0, asked.estimate, 1};
  std::sort(residuals.begin(), residuals.end(),
            [](const Residual& a, const Residual& b) { return a.value < b.value; });
  const auto at = [&](double share) {
    return std::clamp(asked.estimate + Quantile(residuals, share), 0.0, 1.0);
  };
  return {at(kOutside - beyond), at(0.5), at(1 - kOutside + beyond)};
}

std::string ToCsv(const std::vector<BankRow>& rows) {
  std::string csv = absl::StrCat(kHeader, "\n");
  for (const BankRow& row : rows) {
    absl::StrAppend(&csv, row.task, ",", row.kind, ",", NameOf(row.knowledge), ",", row.role, ",",
                    row.method);
    for (const double number :
         {row.accuracy_source, row.cot, row.atc, row.dis2, row.estimate, row.truth}) {
      absl::StrAppendFormat(&csv, ",%.4f", number);
    }
    absl::StrAppend(&csv, "\n");
  }
  return csv;
}

}  // namespace acclimate::selection
