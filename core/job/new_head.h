// A new classifier layer for training a checkpoint on other classes.
#ifndef ACCLIMATE_CORE_JOB_NEW_HEAD_H_
#define ACCLIMATE_CORE_JOB_NEW_HEAD_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "core/job/inputs.h"
#include "core/job/run.h"

namespace acclimate::job {

// Whether the method may be given one, by its hyperparameter `head`: classes of the data need not
// be classes of the checkpoint then.
bool MayHaveNewHead(const RunSpec& spec, const Inputs& inputs);

// By `head`: keep the layer, make a new one, or (auto) a new one where the data's classes are not
// the model's: other names, more of them, or at most half as many. Says what it does. `renamed`:
// the data's names are not the model's. True: there is a new one. INVALID_ARGUMENT: the model
// cannot get one.
absl::StatusOr<bool> MakeNewHead(const RunSpec& spec, bool renamed, Inputs& inputs,
                                 RunObserver& observer);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_NEW_HEAD_H_
