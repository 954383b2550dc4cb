#include "core/selection/candidate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "core/selection/confidence.h"
#include "core/selection/validator.h"
#include "core/train/tensor_maps.h"

namespace acclimate::selection {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kLeastShareOfClasses = 0.5;

constexpr char kText[] = "text";
constexpr char kPredicted[] = "predicted";
constexpr char kProbabilities[] = "probabilities";
constexpr char kHomeProbabilities[] = "home_probabilities";
constexpr char kHomeLabels[] = "home_labels";
constexpr char kRight[] = "right";

at::Tensor HalfSoftmax(const at::Tensor& logits) {
  return logits.to(at::kCPU, at::kDouble).softmax(1).to(at::kHalf);
}

}  // namespace

std::string Candidate::Name() const {
  if (form == Form::kSource) return "source";
  if (form == Form::kSourceStatistics) return "source_with_target_statistics";
  return absl::StrCat("step_", step);
}

double Candidate::score(const std::string& validator) const {
  const auto it = scores.find(validator);
  return it == scores.end() ? kNone : it->second;
}

Candidate Score(const Sight& sight, const absl::optional<SourceRecord>& record, Form form) {
  const at::NoGradGuard no_grad;
  Candidate candidate;
  candidate.form = form;
  for (const Validator& validator : Validators()) {
    if (!CanScore(validator, sight)) continue;
    const double score = validator.score(sight);
    if (std::isfinite(score)) candidate.scores[validator.name] = score;
  }
  const Predictions& target = sight.target;
  candidate.classes_in_use = ClassesInUse(target.logits);
  candidate.predicted = target.logits.argmax(1).to(at::kCPU);
  candidate.probabilities = HalfSoftmax(target.logits);
  if (const absl::optional<Predictions>& source = sight.held_out) {
    candidate.home_probabilities = HalfSoftmax(source->logits);
    candidate.home_labels = source->labels.to(at::kCPU);
  }
  candidate.right = sight.right;
  const bool tells = sight.held_out || form == Form::kSource;
  candidate.estimate = Estimate({target.logits, sight.held_out, tells ? record : absl::nullopt});
  return candidate;
}

bool Collapsed(const Candidate& candidate, const std::vector<Candidate>& others) {
  double most = 0;
  for (const Candidate& other : others) most = std::max(most, other.classes_in_use);
  return candidate.classes_in_use < kLeastShareOfClasses * most;
}

nlohmann::json ToJson(const Candidate& candidate) {
  return {{"name", candidate.Name()},
          {"step", candidate.step},
          {"scores", candidate.scores},
          {"classes_in_use", candidate.classes_in_use},
          {"estimated_accuracy", candidate.estimate.value},
          {"interval", {candidate.estimate.low, candidate.estimate.high}},
          {"estimates", candidate.estimate.by_estimator}};
}

train::TensorMap ToTensors(const Candidate& candidate) {
  nlohmann::json numbers = ToJson(candidate);
  numbers["form"] = static_cast<int>(candidate.form);
  train::TensorMap tensors = {{kText, train::TextTensor(numbers.dump())}};
  const auto add = [&tensors](const char* name, const at::Tensor& tensor) {
    if (tensor.defined()) tensors[name] = tensor;
  };
  add(kPredicted, candidate.predicted);
  add(kProbabilities, candidate.probabilities);
  add(kHomeProbabilities, candidate.home_probabilities);
  add(kHomeLabels, candidate.home_labels);
  add(kRight, candidate.right);
  return tensors;
}

absl::StatusOr<Candidate> CandidateFrom(const train::TensorMap& tensors) {
  const auto misshapen = [] {
    return absl::InvalidArgumentError("training state: a candidate is misshapen");
  };
  const auto it = tensors.find(kText);
  const absl::optional<std::string> text =
      it == tensors.end() ? absl::nullopt : train::TextOf(it->second);
  if (!text) return misshapen();
  const nlohmann::json numbers = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  Candidate candidate;
  try {
    candidate.form = static_cast<Form>(numbers.at("form").get<int>());
    candidate.step = numbers.at("step");
    candidate.scores = numbers.at("scores").get<std::map<std::string, double>>();
    candidate.classes_in_use = numbers.at("classes_in_use");
    candidate.estimate.value = numbers.at("estimated_accuracy");
    candidate.estimate.low = numbers.at("interval").at(0);
    candidate.estimate.high = numbers.at("interval").at(1);
    candidate.estimate.by_estimator = numbers.at("estimates").get<std::map<std::string, double>>();
  } catch (const nlohmann::json::exception&) {
    return misshapen();
  }
  const auto tensor = [&tensors](const char* name) {
    const auto it = tensors.find(name);
    return it == tensors.end() ? at::Tensor() : it->second.to(at::kCPU).clone();
  };
  candidate.predicted = tensor(kPredicted);
  candidate.probabilities = tensor(kProbabilities);
  candidate.home_probabilities = tensor(kHomeProbabilities);
  candidate.home_labels = tensor(kHomeLabels);
  candidate.right = tensor(kRight);
  return candidate;
}

}  // namespace acclimate::selection
