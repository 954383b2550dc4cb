// Candidates whose quality is known by construction.
#ifndef ACCLIMATE_TESTS_CORE_SELECTION_CLOUDS_H_
#define ACCLIMATE_TESTS_CORE_SELECTION_CLOUDS_H_

#include <cstdint>

#include <ATen/ATen.h>

#include "core/selection/candidate.h"

namespace acclimate::testing {

// Features in four clouds; logits that follow them for all samples but the first `wrong`, a
// multiple of 4, so that classes stay in balance.
inline selection::Predictions Clouds(int64_t wrong, double confidence = 6.0) {
  const int64_t classes = 4, samples = 80;
  const at::Tensor labels = at::arange(samples, at::kLong).remainder(classes);
  const at::Tensor features =
      at::eye(classes, 6).index_select(0, labels) * 5 +
      0.5 * at::randn({samples, 6}, at::detail::createCPUGenerator(1), at::kFloat);
  at::Tensor predicted = labels.clone();
  predicted.slice(0, 0, wrong).add_(1).remainder_(classes);
  return {features, confidence * at::one_hot(predicted, classes).to(at::kFloat), labels};
}

// Every sample in one place and in one class, with all confidence.
inline selection::Predictions Collapsed() {
  at::Tensor logits = at::zeros({80, 4});
  logits.select(1, 2).fill_(50.0);
  return {at::ones({80, 6}), logits, Clouds(0).labels};
}

inline selection::Candidate Adapted(const selection::Predictions& target, int64_t step,
                                    bool with_source = true) {
  selection::Candidate candidate = selection::Score(
      {target, with_source ? absl::optional<selection::Predictions>(target) : absl::nullopt,
       absl::nullopt},
      absl::nullopt, selection::Form::kAdapted);
  candidate.step = step;
  return candidate;
}

inline selection::Candidate Source(const selection::Predictions& target, bool with_source = true) {
  selection::Candidate candidate = Adapted(target, 0, with_source);
  candidate.form = selection::Form::kSource;
  return candidate;
}

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_CORE_SELECTION_CLOUDS_H_
