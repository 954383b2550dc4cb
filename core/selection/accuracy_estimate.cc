#include "core/selection/accuracy_estimate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/losses/entropy.h"
#include "core/losses/unit_rows.h"
#include "core/selection/estimate_bank.h"
#include "core/selection/estimators/estimator.h"

namespace acclimate::selection {
namespace {

constexpr int64_t kDraws = 200;
constexpr uint64_t kBootstrapSeed = 1;
constexpr double kNormal90 = 1.645;  // two-sided quantile

double Clipped(double share) { return std::clamp(share, 0.0, 1.0); }

// Of the 90 % interval of a share among so many samples.
double HalfWidth(double share, int64_t samples) {
  return kNormal90 *
         std::sqrt(share * (1 - share) / static_cast<double>(std::max<int64_t>(samples, 1)));
}

// Of [E], the mean of the middle two where E is even. One estimator that is far off, as ATC is
// where the source is nearly all right, moves it little.
at::Tensor Median(const at::Tensor& values) {
  const at::Tensor sorted = std::get<0>(values.sort());
  const int64_t e = values.size(0);
  return (sorted[(e - 1) / 2] + sorted[e / 2]) / 2;
}

// [kDraws]: medians over resampled columns of the means over resampled rows of values [N, E].
at::Tensor Bootstrap(const at::Tensor& values) {
  at::Generator generator = at::detail::createCPUGenerator(kBootstrapSeed);
  const int64_t n = values.size(0), e = values.size(1);
  std::vector<at::Tensor> means;
  for (int64_t draw = 0; draw < kDraws; ++draw) {
    const at::Tensor rows = at::randint(n, {n}, generator, at::TensorOptions(at::kLong));
    const at::Tensor columns = at::randint(e, {e}, generator, at::TensorOptions(at::kLong));
    const at::Tensor shares = rows.bincount({}, n).to(at::kDouble) / static_cast<double>(n);
    means.push_back(Median(shares.unsqueeze(0).mm(values).squeeze(0).index_select(0, columns)));
  }
  return at::stack(means);
}

at::Tensor Vote(const at::Tensor& similarity, const at::Tensor& labels, int64_t num_classes,
                int64_t k) {
  const auto [nearest, index] = similarity.topk(std::min(k, similarity.size(1)), 1);
  const at::Tensor classes = labels.index_select(0, index.flatten()).view(index.sizes());
  at::Tensor votes = at::zeros({similarity.size(0), num_classes}, similarity.options());
  votes.scatter_add_(1, classes, nearest + 1.0);  // cosines from 0: every neighbour counts
  return votes.argmax(1);
}

}  // namespace

AccuracyEstimate Estimate(const EstimateInput& input) {
  const Evidence evidence = EvidenceOf(input.target_logits, input.held_out, input.record);
  const Estimates estimates = EstimatesOf(evidence);
  const AccuracyInterval interval = EstimateBank::Shipped().IntervalFor(
      estimates.mean, estimates.spread, evidence.home.accuracy, evidence.knowledge);
  AccuracyEstimate estimate;
  estimate.value = interval.median;
  estimate.low = interval.low;
  estimate.high = interval.high;
  estimate.by_estimator = estimates.by_name;
  return estimate;
}

AccuracyEstimate EstimateAccuracy(const at::Tensor& logits, const at::Tensor& neighbours,
                                  const absl::optional<SourceRecord>& record) {
  const at::Tensor scaled = logits.to(at::kDouble) / (record ? record->temperature : 1.0);
  const at::Tensor confidence = scaled.softmax(1).amax(1);
  std::vector<std::pair<std::string, at::Tensor>> estimators = {
      {"confidence", confidence}, {"agreement", neighbours.eq(logits.argmax(1)).to(at::kDouble)}};
  if (record) {
    estimators.emplace_back("doc", confidence + (record->accuracy - record->confidence));
    estimators.emplace_back("atc",
                            (-losses::Entropy(scaled)).ge(record->threshold).to(at::kDouble));
  }
  AccuracyEstimate estimate;
  std::vector<at::Tensor> columns;
  for (const auto& [name, values] : estimators) {
    estimate.by_estimator[name] = Clipped(values.mean().item<double>());
    columns.push_back(values);
  }
  const at::Tensor values = at::stack(columns, 1);
  const at::Tensor draws = std::get<0>(Bootstrap(values).sort());
  estimate.value = Clipped(Median(values.mean(0)).item<double>());
  estimate.low = Clipped(draws[kDraws / 20].item<double>());
  estimate.high = Clipped(draws[kDraws - 1 - kDraws / 20].item<double>());
  return estimate;
}

AccuracyEstimate CappedByOwnDomain(AccuracyEstimate estimate, const SourceRecord& record) {
  const double margin = HalfWidth(record.accuracy, record.samples);
  estimate.value = std::min(estimate.value, record.accuracy);
  estimate.low = std::min(estimate.low, Clipped(record.accuracy - margin));
  estimate.high = std::min(estimate.high, Clipped(record.accuracy + margin));
  return estimate;
}

double Agreement(const at::Tensor& a, const at::Tensor& b) {
  return a.eq(b).to(at::kDouble).mean().item<double>();
}

AccuracyEstimate EstimateByAgreement(const at::Tensor& predicted, const at::Tensor& better,
                                     const AccuracyEstimate& of_better, int64_t num_classes) {
  const double agreed = Agreement(predicted, better);
  const double others = static_cast<double>(std::max<int64_t>(num_classes - 1, 1));
  const auto accuracy = [&](double of_other) {
    return agreed * of_other + (1 - agreed) * (1 - of_other) / others;
  };
  const double margin = HalfWidth(agreed, predicted.size(0));
  const auto [low, high] = std::minmax({accuracy(of_better.low), accuracy(of_better.high)});
  AccuracyEstimate estimate;
  estimate.value = Clipped(accuracy(of_better.value));
  estimate.low = Clipped(low - margin);
  estimate.high = Clipped(high + margin);
  return estimate;
}

AccuracyEstimate CappedByPeers(AccuracyEstimate estimate, const at::Tensor& predicted,
                               const at::Tensor& peers) {
  const at::Tensor agreed = peers.eq(predicted).to(at::kDouble).mean(1);
  const double mean = agreed.mean().item<double>();
  estimate.by_estimator["peers"] = mean;
  if (mean >= estimate.value) return estimate;
  const double margin = HalfWidth(mean, predicted.size(0));
  estimate.value = mean;
  estimate.low = std::min(estimate.low, Clipped(agreed.min().item<double>() - margin));
  estimate.high = Clipped(agreed.max().item<double>() + margin);
  return estimate;
}

std::map<std::string, double> EstimateMetrics(const AccuracyEstimate& before,
                                              const AccuracyEstimate& after) {
  return {{"estimated_source_accuracy", before.value},
          {"estimated_source_accuracy_low", before.low},
          {"estimated_source_accuracy_high", before.high},
          {"estimated_accuracy", after.value},
          {"estimated_accuracy_low", after.low},
          {"estimated_accuracy_high", after.high}};
}

at::Tensor NearestNeighbours(const at::Tensor& bank, const at::Tensor& labels,
                             const at::Tensor& queries, int64_t num_classes, int64_t k) {
  return Vote(losses::UnitRows(queries).mm(losses::UnitRows(bank).t()), labels, num_classes, k);
}

at::Tensor NearestNeighboursOfOthers(const at::Tensor& bank, const at::Tensor& labels,
                                     int64_t num_classes, int64_t k) {
  const at::Tensor unit = losses::UnitRows(bank);
  at::Tensor similarity = unit.mm(unit.t());
  similarity.fill_diagonal_(-2.0);  // below every cosine
  return Vote(similarity, labels, num_classes, std::min(k, bank.size(0) - 1));
}

}  // namespace acclimate::selection
