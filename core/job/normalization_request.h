// How a job asks for its inputs to be normalised; free of LibTorch.
#ifndef ACCLIMATE_CORE_JOB_NORMALIZATION_REQUEST_H_
#define ACCLIMATE_CORE_JOB_NORMALIZATION_REQUEST_H_

#include <string>
#include <vector>

namespace acclimate::job {

struct NormalizationRequest {
  // "": mean and std, else what the checkpoint records; where there is neither, a network that is
  // trained afresh on a table is given "auto", every other 0 and 1. "auto": what the checkpoint
  // records, else measured. "imagenet": of ImageNet's three channels. "none": 0 and 1.
  std::string mode;
  std::vector<double> mean, std;  // for the mode "" only
  double clip = 0;                // 0: none, or the clip that is recorded with the values
  bool raw_bytes = false;         // false: scaled, or as is recorded with the values
};

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_NORMALIZATION_REQUEST_H_
