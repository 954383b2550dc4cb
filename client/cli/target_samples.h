// How many samples a target has, read without LibTorch.
#ifndef ACCLIMATE_CLIENT_CLI_TARGET_SAMPLES_H_
#define ACCLIMATE_CLIENT_CLI_TARGET_SAMPLES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace acclimate::cli {

// Of the job whose output folder `path` is, or of a data set: safetensors, npz or npy, also in the
// compressed-row form. NOT_FOUND, INVALID_ARGUMENT, DATA_LOSS: with the file and what is wrong.
absl::StatusOr<int64_t> SamplesOfTarget(const std::string& path);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_TARGET_SAMPLES_H_
