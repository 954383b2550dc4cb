#include "core/train/learning_curves.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace acclimate::train {
namespace {

constexpr char kPoints[] = "points/";
constexpr char kPending[] = "pending/";

// INVALID_ARGUMENT unless `tensor` holds rows of two doubles; nothing else is read from a file.
absl::Status CheckRows(const std::string& name, const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kDouble && tensor.dim() == 2 && tensor.size(1) == 2) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("training state: curve ", name, " is misshapen"));
}

}  // namespace

LearningCurves::LearningCurves(int64_t total_steps, int64_t points)
    : total_steps_(total_steps),
      interval_(std::max<int64_t>(1, (total_steps + points - 1) / points)) {}

void LearningCurves::Add(int64_t step, const std::map<std::string, double>& values) {
  for (const auto& [name, value] : values) {
    Sum& sum = pending_[name];
    sum.total += value;
    ++sum.count;
  }
  if (step % interval_ != 0 && step != total_steps_) return;
  for (const auto& [name, sum] : pending_) points_[name].push_back({step, sum.total / sum.count});
  pending_.clear();
}

TensorMap LearningCurves::State() const {
  TensorMap state;
  for (const auto& [name, points] : points_) {
    at::Tensor rows = at::empty({static_cast<int64_t>(points.size()), 2}, at::kDouble);
    auto row = rows.accessor<double, 2>();
    for (size_t i = 0; i < points.size(); ++i) {
      row[i][0] = static_cast<double>(points[i].step);
      row[i][1] = points[i].value;
    }
    state[absl::StrCat(kPoints, name)] = rows;
  }
  for (const auto& [name, sum] : pending_) {
    state[absl::StrCat(kPending, name)] =
        at::tensor({sum.total, static_cast<double>(sum.count)}, at::kDouble).view({1, 2});
  }
  return state;
}

absl::Status LearningCurves::Restore(const TensorMap& state) {
  points_.clear();
  pending_.clear();
  const TrainingState whole{state, {}};
  for (const auto& [name, tensor] : whole.Part(kPoints)) {
    if (absl::Status status = CheckRows(name, tensor); !status.ok()) return status;
    const auto row = tensor.accessor<double, 2>();
    for (int64_t i = 0; i < tensor.size(0); ++i) {
      points_[name].push_back({static_cast<int64_t>(row[i][0]), row[i][1]});
    }
  }
  for (const auto& [name, tensor] : whole.Part(kPending)) {
    if (absl::Status status = CheckRows(name, tensor); !status.ok()) return status;
    if (tensor.size(0) != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("learning curves: the open interval of ", name, " is not one row"));
    }
    const auto row = tensor.accessor<double, 2>();
    pending_[name] = {row[0][0], static_cast<int64_t>(row[0][1])};
  }
  return absl::OkStatus();
}

nlohmann::json ToJson(const std::map<std::string, std::vector<CurvePoint>>& curves) {
  nlohmann::json all = nlohmann::json::object();
  for (const auto& [name, points] : curves) {
    nlohmann::json steps = nlohmann::json::array(), values = nlohmann::json::array();
    for (const CurvePoint& point : points) {
      steps.push_back(point.step);
      values.push_back(point.value);
    }
    all[name] = {{"step", std::move(steps)}, {"value", std::move(values)}};
  }
  return all;
}

}  // namespace acclimate::train
