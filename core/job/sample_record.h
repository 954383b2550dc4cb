// What the samples of a model are like: recorded with it, and compared with the samples of later
// jobs.
#ifndef ACCLIMATE_CORE_JOB_SAMPLE_RECORD_H_
#define ACCLIMATE_CORE_JOB_SAMPLE_RECORD_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/data/dataset.h"

namespace acclimate::job {

void RecordSample(const data::Dataset& samples, std::map<std::string, std::string>& metadata);

// Against what `metadata` records, if anything. INVALID_ARGUMENT: the axes are in another order,
// with the line of Python that puts them right. Adds a warning for another size and, unless
// raw_bytes, for another dtype whose values are scaled otherwise.
absl::Status CompareSample(const data::Dataset& samples,
                           const std::map<std::string, std::string>& metadata, bool raw_bytes,
                           std::vector<std::string>& warnings);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_SAMPLE_RECORD_H_
