// The learning curves of a run, thinned to a bounded number of points.
#ifndef ACCLIMATE_CORE_TRAIN_LEARNING_CURVES_H_
#define ACCLIMATE_CORE_TRAIN_LEARNING_CURVES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "absl/status/status.h"
#include "core/train/training_state.h"

namespace acclimate::train {

struct CurvePoint {
  int64_t step;  // the last step of the interval
  double value;  // mean over the interval
};

// Means over intervals of equal length, by metric name.
class LearningCurves {
 public:
  // At most about `points` points for a run of `total_steps`.
  explicit LearningCurves(int64_t total_steps, int64_t points = 200);

  // `step` counts from 1.
  void Add(int64_t step, const std::map<std::string, double>& values);
  const std::map<std::string, std::vector<CurvePoint>>& points() const { return points_; }

  TensorMap State() const;
  absl::Status Restore(const TensorMap& state);

 private:
  struct Sum {
    double total = 0;
    int64_t count = 0;
  };

  int64_t total_steps_;
  int64_t interval_;
  std::map<std::string, Sum> pending_;  // of the current interval
  std::map<std::string, std::vector<CurvePoint>> points_;
};

// For reports: {"loss": {"step": [5, 10], "value": [2.1, 1.9]}}.
nlohmann::json ToJson(const std::map<std::string, std::vector<CurvePoint>>& curves);

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_LEARNING_CURVES_H_
