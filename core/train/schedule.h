// Learning-rate schedules as pure functions: the factor on the initial rate.
#ifndef ACCLIMATE_CORE_TRAIN_SCHEDULE_H_
#define ACCLIMATE_CORE_TRAIN_SCHEDULE_H_

#include <cstdint>

namespace acclimate::train {

enum class Schedule {
  kConstant,      // 1
  kInverseDecay,  // (1 + 10 p)^-0.75, p = step / total: DANN (Ganin 2016), SHOT (Liang 2020)
  kStepDecay,     // (1 + 0.001 step)^-0.75, whatever the total: TLlib
};

// 0 <= step, total_steps >= 1.
double ScheduleFactor(Schedule schedule, int64_t step, int64_t total_steps);

// Multiplies that factor while the rate rises in equal parts from 1 / warm_up_steps at step 0 to 1;
// 1 from then on. warm_up_steps = 0: always 1.
double WarmUpFactor(int64_t step, int64_t warm_up_steps);

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_SCHEDULE_H_
