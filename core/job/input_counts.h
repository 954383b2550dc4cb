// How many samples and labels a run has.
#ifndef ACCLIMATE_CORE_JOB_INPUT_COUNTS_H_
#define ACCLIMATE_CORE_JOB_INPUT_COUNTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/job/inputs.h"

namespace acclimate::job {

// By role: "target", "source", "held_out", "evaluation".
std::map<std::string, int64_t> SampleCounts(const Inputs& inputs);

// Labels that somebody gave for this run beside those of the sources.
int64_t LabelsOfTarget(const Inputs& inputs);

// Of each class among the labels of all sources; empty without sources.
std::vector<double> LabelShares(const std::vector<data::Dataset>& sources);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_INPUT_COUNTS_H_
