// What a model makes of a sample of each domain, small enough for report.json.
#ifndef ACCLIMATE_CORE_JOB_FEATURE_VIEW_H_
#define ACCLIMATE_CORE_JOB_FEATURE_VIEW_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/model/model.h"
#include "core/selection/examiner.h"
#include "core/train/stop_signal.h"

namespace acclimate::job {

constexpr int64_t kViewSamples = 500;  // of each domain at most; the sources share them

// Of what a pass saw, evenly spaced samples of it. Looks at no label of the target. An object with
//   "source", "target"   {"x", "y", "class"}: the features' first two principal components, of both
//                        domains together, scaled so that the largest coordinate is 1; the class is
//                        the label of a source sample and the prediction for a target sample
//   "explained_variance" of the two components, as shares
// and with what PredictionView() has. Without sources there is no "source"; features that are not
// finite are left out.
nlohmann::json FeatureView(const selection::Sight& sight);

// The samples of the target that a view shows, taken from a pass over all of it. The same for the
// same seed; leaves the run's random numbers alone.
class ViewSamples {
 public:
  ViewSamples(int64_t target_samples, uint64_t seed);
  // Of the samples from `begin` on; the parts of the pass come in order.
  void Take(int64_t begin, const model::ForwardResult& part);
  // Once a part has been taken.
  selection::Predictions Taken() const;

 private:
  const at::Tensor rows_;  // rising
  std::vector<at::Tensor> features_, logits_;
};

// With a pass of its own over a sample of the sources, as ViewSamples draws one. `target`: of the
// same model. CANCELLED as soon as `stop` says so.
absl::StatusOr<nlohmann::json> FeatureView(model::Model& model,
                                           const std::vector<data::Dataset>& sources,
                                           selection::Predictions target, uint64_t seed,
                                           const at::Device& device, train::StopSignal& stop);

// The same where nothing else passes over the target.
absl::StatusOr<nlohmann::json> FeatureView(model::Model& model,
                                           const std::vector<data::Dataset>& sources,
                                           const data::Dataset& target, uint64_t seed,
                                           const at::Device& device, train::StopSignal& stop);

// "predicted_prior": the mean probability of each class; "confidence_histogram": samples by
// confidence, in kConfidenceBins bins. probabilities: [N, C].
nlohmann::json PredictionView(const at::Tensor& probabilities);

// The first two principal components of the rows of features [N, D], in double: coordinates [N, 2]
// and the shares of the variance that they hold, [2]. The largest coordinate of each is positive.
struct Projection {
  at::Tensor coordinates, shares;
};
Projection PrincipalComponents(const at::Tensor& features);

}  // namespace acclimate::job

#endif  // ACCLIMATE_CORE_JOB_FEATURE_VIEW_H_
