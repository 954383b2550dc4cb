#include "core/shift/place_measures.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/losses/coral.h"
#include "core/shift/domain_classifier.h"
#include "core/shift/js_divergence.h"
#include "core/shift/mmd_test.h"
#include "core/shift/standardization.h"

namespace acclimate::shift {

PlaceMeasures MeasurePlace(const at::Tensor& source, const at::Tensor& target, int64_t permutations,
                           at::Generator generator) {
  constexpr int64_t kBins = 20;  // a hundred samples each, of the 2000 that are usual
  const at::NoGradGuard no_grad;
  PlaceMeasures measures;
  measures.js_divergence = HistogramJsDivergence(source, target, kBins);
  const MmdTest test = MmdPermutationTest(source, target, permutations, generator);
  measures.mmd_squared = test.mmd_squared;
  measures.mmd_p_value = test.p_value;
  measures.a_distance = ProxyADistance(ClassifyDomains(source, target, generator).error);
  const Scale scale = CommonScale(source, target);
  measures.coral_distance =
      losses::DeepCoral(scale.Apply(source), scale.Apply(target)).item<double>();
  return measures;
}

}  // namespace acclimate::shift
