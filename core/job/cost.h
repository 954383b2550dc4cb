// What a run costs the machine. Free of LibTorch.
#ifndef ACCLIMATE_CORE_JOB_COST_H_
#define ACCLIMATE_CORE_JOB_COST_H_

#include <cstdint>

namespace acclimate::job {

struct Cost {
  double core_seconds = 0;  // of every thread of the process, since the meter was made
  int64_t peak_bytes = 0;   // resident, of the process since its start
};

// Of this process; make one when the run begins.
class CostMeter {
 public:
  CostMeter();
  Cost Read() const;

 private:
  double core_seconds_at_start_;
};

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_COST_H_
