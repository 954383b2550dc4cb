// What a guarded method does with too few target samples to judge its result by: nothing.
#ifndef ACCLIMATE_CORE_METHODS_FEW_SAMPLES_H_
#define ACCLIMATE_CORE_METHODS_FEW_SAMPLES_H_

#include <memory>

#include "core/methods/method.h"
#include "core/train/task.h"

namespace acclimate::methods {

// One step that leaves the model as it came, and a report in which the guard says why.
std::unique_ptr<train::Task> MakeFewSamplesTask(const MethodContext& context);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_FEW_SAMPLES_H_
