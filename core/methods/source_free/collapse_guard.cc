#include "core/methods/source_free/collapse_guard.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace acclimate::methods {
namespace {

constexpr int64_t kWindowSamples = 512;
constexpr double kEntropyShare = 0.5;  // of the entropy at the beginning
constexpr double kNearlyAll = 0.9;     // of the samples in one class
constexpr double kNotNearlyAll = 0.7;  // of them at the beginning

constexpr char kProbabilities[] = "probabilities";
constexpr char kFirsts[] = "firsts";
constexpr char kNumbers[] = "numbers";
constexpr char kGood[] = "good/";
constexpr char kStart[] = "start/";

absl::Status Unfitting() {
  return absl::InvalidArgumentError("training state: the collapse guard's part does not fit");
}

}  // namespace

PredictionTally::PredictionTally(int64_t classes)
    : probabilities_(at::zeros({classes}, at::kDouble)),
      firsts_(at::zeros({classes}, at::kDouble)) {}

void PredictionTally::Add(const at::Tensor& logits) {
  const at::NoGradGuard no_grad;
  probabilities_ += logits.softmax(1).sum(0).to(at::kCPU, at::kDouble);
  firsts_ += logits.argmax(1).bincount({}, firsts_.size(0)).to(at::kCPU, at::kDouble);
}

int64_t PredictionTally::samples() const { return firsts_.sum().to(at::kLong).item<int64_t>(); }

double PredictionTally::MeanEntropy() const {
  const at::Tensor mean = probabilities_ / probabilities_.sum();
  return -at::xlogy(mean, mean).sum().item<double>();
}

double PredictionTally::LargestShare() const {
  return (firsts_.max() / firsts_.sum()).item<double>();
}

train::TensorMap PredictionTally::State() const {
  return {{kProbabilities, probabilities_}, {kFirsts, firsts_}};
}

absl::Status PredictionTally::Restore(const train::TensorMap& state) {
  for (const auto& [name, tensor] :
       {std::pair<const char*, at::Tensor&>(kProbabilities, probabilities_),
        std::pair<const char*, at::Tensor&>(kFirsts, firsts_)}) {
    const auto it = state.find(name);
    if (it == state.end() || it->second.sizes() != tensor.sizes()) return Unfitting();
    tensor.copy_(it->second);
  }
  return absl::OkStatus();
}

CollapseGuard::CollapseGuard(int64_t classes) : classes_(classes), window_(classes) {}

void CollapseGuard::Protect(const std::vector<train::NamedParameter>& weights) {
  for (const train::NamedParameter& weight : weights) {
    weights_.push_back(weight);
    good_[weight.name] = weight.tensor.detach().clone();
    start_[weight.name] = weight.tensor.detach().clone();
  }
}

bool CollapseGuard::Observe(const at::Tensor& logits, int64_t step) {
  window_.Add(logits);
  if (!HasReference()) {
    first_entropy_ = window_.MeanEntropy();
    first_share_ = window_.LargestShare();
  }
  if (window_.samples() < kWindowSamples) return false;
  const PredictionTally full = window_;
  window_ = PredictionTally(classes_);
  if (Judge(full, step)) return true;
  const at::NoGradGuard no_grad;
  for (const train::NamedParameter& weight : weights_) {
    good_[weight.name].copy_(start_[weight.name]);
    start_[weight.name].copy_(weight.tensor);
  }
  return false;
}

bool CollapseGuard::Judge(const PredictionTally& tally, int64_t step) {
  last_entropy_ = tally.MeanEntropy();
  last_share_ = tally.LargestShare();
  if (!HasReference() || !Collapsed(tally)) return false;
  PutBack(step);
  return true;
}

bool CollapseGuard::Collapsed(const PredictionTally& tally) const {
  return tally.MeanEntropy() < kEntropyShare * first_entropy_ ||
         (tally.LargestShare() > kNearlyAll && first_share_ < kNotNearlyAll);
}

void CollapseGuard::PutBack(int64_t step) {
  const at::NoGradGuard no_grad;
  for (const train::NamedParameter& weight : weights_) weight.tensor.copy_(good_[weight.name]);
  collapsed_at_ = step;
}

void CollapseGuard::Report(nlohmann::json& report) const {
  if (!HasReference()) return;
  report["collapse_guard"] = {
      {"mean_prediction_entropy", {first_entropy_, last_entropy_}},
      {"largest_class_share", {first_share_, last_share_}},
      {"collapsed_at_step", halted() ? nlohmann::json(collapsed_at_) : nlohmann::json()}};
}

std::vector<std::string> CollapseGuard::Warnings() const {
  if (!halted()) return {};
  return {absl::StrFormat(
      "the predictions collapsed at step %d (entropy of the mean prediction %.2f, at first %.2f; "
      "%.0f %% in one class, at first %.0f %%): the last good weights were put back and the run "
      "moved no further",
      collapsed_at_, last_entropy_, first_entropy_, 100 * last_share_, 100 * first_share_)};
}

train::TensorMap CollapseGuard::State() const {
  train::TensorMap state = window_.State();
  for (const auto& [name, tensor] : good_) state[absl::StrCat(kGood, name)] = tensor;
  for (const auto& [name, tensor] : start_) state[absl::StrCat(kStart, name)] = tensor;
  state[kNumbers] = at::tensor({first_entropy_, first_share_, last_entropy_, last_share_,
                                static_cast<double>(collapsed_at_)},
                               at::kDouble);
  return state;
}

absl::Status CollapseGuard::Restore(const train::TensorMap& state) {
  if (absl::Status status = window_.Restore(state); !status.ok()) return status;
  for (const train::NamedParameter& weight : weights_) {
    const auto good = state.find(absl::StrCat(kGood, weight.name));
    const auto start = state.find(absl::StrCat(kStart, weight.name));
    if (good == state.end() || good->second.sizes() != weight.tensor.sizes()) return Unfitting();
    if (start == state.end() || start->second.sizes() != weight.tensor.sizes()) return Unfitting();
    good_[weight.name].copy_(good->second);
    start_[weight.name].copy_(start->second);
  }
  const auto numbers = state.find(kNumbers);
  if (numbers == state.end() || numbers->second.numel() != 5) return Unfitting();
  const at::Tensor values = numbers->second.to(at::kDouble).contiguous();
  const double* const value = values.data_ptr<double>();
  first_entropy_ = value[0];
  first_share_ = value[1];
  last_entropy_ = value[2];
  last_share_ = value[3];
  collapsed_at_ = static_cast<int64_t>(value[4]);
  return absl::OkStatus();
}

}  // namespace acclimate::methods
