// Random views of samples, by the kind of data: images, series or vectors.
//
//   absl::StatusOr<data::Augmentation> augmentation =
//       data::Augmentation::Create({images, series}, dataset, device);
//   at::Tensor view = augmentation->View(batch.inputs);
#ifndef ACCLIMATE_CORE_DATA_AUGMENT_AUGMENTATION_H_
#define ACCLIMATE_CORE_DATA_AUGMENT_AUGMENTATION_H_

#include <utility>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/data/augment/image_augmentation.h"
#include "core/data/augment/series_augmentation.h"
#include "core/data/dataset.h"

namespace acclimate::data {

struct AugmentationOptions {
  ImageAugmentation images;
  SeriesAugmentation series;  // and vectors
};

// Immutable. Draws from the default generator of the device.
class Augmentation {
 public:
  // For the samples of `dataset`: images [C, H, W], series [C, L] or vectors [D]. The statistics of
  // the features of series and vectors are those of at most 4096 samples, spread evenly.
  // INVALID_ARGUMENT: samples of another shape.
  static absl::StatusOr<Augmentation> Create(const AugmentationOptions& options,
                                             const Dataset& dataset, const at::Device& device);

  // inputs: float [N, ...] of the dataset's kind -> a fresh view of each, the same shape.
  at::Tensor View(const at::Tensor& inputs) const;

 private:
  Augmentation(const AugmentationOptions& options, FeatureStatistics statistics)
      : options_(options), statistics_(std::move(statistics)) {}

  AugmentationOptions options_;
  FeatureStatistics statistics_;  // undefined for images
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_AUGMENT_AUGMENTATION_H_
