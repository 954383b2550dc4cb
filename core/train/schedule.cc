#include "core/train/schedule.h"

#include <cmath>

namespace acclimate::train {

double ScheduleFactor(Schedule schedule, int64_t step, int64_t total_steps) {
  switch (schedule) {
    case Schedule::kConstant:
      return 1.0;
    case Schedule::kInverseDecay:
      return std::pow(1.0 + 10.0 * static_cast<double>(step) / static_cast<double>(total_steps),
                      -0.75);
    case Schedule::kStepDecay:
      return std::pow(1.0 + 0.001 * static_cast<double>(step), -0.75);
  }
  return 1.0;
}

double WarmUpFactor(int64_t step, int64_t warm_up_steps) {
  if (step + 1 >= warm_up_steps) return 1.0;
  return static_cast<double>(step + 1) / static_cast<double>(warm_up_steps);
}

}  // namespace acclimate::train
