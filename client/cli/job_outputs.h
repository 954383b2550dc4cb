// The predictions in a job's output folder, read without LibTorch.
#ifndef ACCLIMATE_CLIENT_CLI_JOB_OUTPUTS_H_
#define ACCLIMATE_CLIENT_CLI_JOB_OUTPUTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/report/audit.h"

namespace acclimate::cli {

struct JobPredictions {
  report::ModelOutputs returned;
  std::optional<report::ModelOutputs> source;
  int64_t classes = 0;
};

// From `folder`/probabilities.safetensors, which docs/api.md describes. NOT_FOUND, DATA_LOSS: with
// the file and what is wrong with it.
absl::StatusOr<JobPredictions> ReadJobPredictions(const std::string& folder);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_JOB_OUTPUTS_H_
