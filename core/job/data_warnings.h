// What the data of a run are too poor for.
#ifndef ACCLIMATE_CORE_JOB_DATA_WARNINGS_H_
#define ACCLIMATE_CORE_JOB_DATA_WARNINGS_H_

#include <string>
#include <vector>

#include "core/job/inputs.h"

namespace acclimate::job {

// One sentence for each: too few target samples to choose or to guard by, samples that are all
// equal, a source that lacks a class of the model, labels of one class alone.
std::vector<std::string> WarningsOfData(Inputs& inputs);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_DATA_WARNINGS_H_
