// Labels as people store them, as class numbers.
#ifndef ACCLIMATE_CORE_DATA_LABEL_FORMS_H_
#define ACCLIMATE_CORE_DATA_LABEL_FORMS_H_

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"

namespace acclimate::data {

// The label of a sample that has none: the convention of scikit-learn for semi-supervised data.
inline constexpr int64_t kNoLabel = -1;
// More classes than any classifier has: a larger label is damage, not a class.
inline constexpr int64_t kMostClasses = 10'000'000;

// labels: [samples] or [samples, 1], of whole numbers of any type or bool, each a class in
// [0, kMostClasses) or kNoLabel -> int64 [samples]. INVALID_ARGUMENT names the first index that is
// no class; one-hot rows and probabilities are told the line of Python that makes classes of them.
absl::StatusOr<at::Tensor> ReadLabels(const at::Tensor& labels, int64_t samples,
                                      const std::string& name);

struct NamedLabels {
  at::Tensor classes;              // int64 [samples]
  std::vector<std::string> names;  // by class, in the order of their bytes
};

// Labels that are names; an empty one is kNoLabel.
NamedLabels ReadLabelNames(const std::vector<std::string>& labels);

// Classes of `from` as classes of the same names in `to`. INVALID_ARGUMENT names the first class
// that occurs and is not in `to`.
absl::StatusOr<at::Tensor> RecodeLabels(const at::Tensor& classes,
                                        const std::vector<std::string>& from,
                                        const std::vector<std::string>& to,
                                        const std::string& name);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_LABEL_FORMS_H_
