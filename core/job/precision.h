// What a run's forward passes compute in: as the job asks, as its saved state says, as the method,
// the device and the models allow.
#ifndef ACCLIMATE_CORE_JOB_PRECISION_H_
#define ACCLIMATE_CORE_JOB_PRECISION_H_

#include <string>

#include "absl/status/status.h"
#include "core/job/inputs.h"
#include "core/job/run.h"
#include "core/train/training_state.h"

namespace acclimate::job {

// Note of a training state: "fp32", "bf16" or "fp16".
constexpr char kPrecisionNote[] = "precision";
// The note; of a state of before there was a choice, which has none, fp32.
std::string RecordedPrecision(const train::TrainingState& state);

// Sets inputs.precision, and the precision of every model in `inputs`:
//
// 1. `auto` with a state to resume from is the state's, on whatever machine: a run does not change
//    its precision half way. Another word must be the same as the state's, which Resume() checks.
// 2. `auto` for a method of full_precision is fp32.
// 3. `auto` on a CPU for samples other than images of at least 64x64 is fp32, which is as fast
// there.
// 4. Otherwise the table in core/runtime/precision.h holds.
// 5. A model may not run in what was found, which one sample shows; `auto` is then fp32, with a
//    warning.
//
// The models are on the run's device and the datasets normalised. INVALID_ARGUMENT: no such
// precision, or 5. without `auto`. FAILED_PRECONDITION: the device does not do it.
absl::Status SetPrecision(const RunSpec& spec, RunObserver& observer, Inputs& inputs);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_PRECISION_H_
