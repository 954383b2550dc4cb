// Few-shot episodes drawn from a labelled dataset (Vinyals et al., NIPS 2016).
#ifndef ACCLIMATE_CORE_DATA_EPISODES_H_
#define ACCLIMATE_CORE_DATA_EPISODES_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "core/data/dataset.h"

namespace acclimate::data {

struct EpisodeShape {
  int64_t ways = 5;        // classes in an episode
  int64_t shots = 1;       // labelled samples of each: the support
  int64_t queries = 5;     // other samples of each, to be told apart
  bool rotations = false;  // a class turned by 90, 180 and 270 degrees makes three more classes
};

// Labels are places in the episode: 0 to ways - 1, class by class in order.
struct Episode {
  Batch support;        // [ways * shots, ...]
  Batch query;          // [ways * queries, ...]
  at::Tensor classes;   // int64 [ways]: the dataset's labels
  at::Tensor quarters;  // int64 [ways]: by how many quarter turns each class is rotated
};

// Classes without replacement, uniform over all that have shots + queries samples; samples without
// replacement, uniform in their class. The dataset must outlive it.
class EpisodeSampler {
 public:
  // INVALID_ARGUMENT: no labels, fewer than `ways` classes with shots + queries samples, rotations
  // of samples that are no square images.
  static absl::StatusOr<EpisodeSampler> Create(const Dataset& dataset, const EpisodeShape& shape);

  // Draws from `generator`, by default the default CPU generator.
  Episode Next(const at::Device& device,
               absl::optional<at::Generator> generator = absl::nullopt) const;

  const EpisodeShape& shape() const { return shape_; }

 private:
  EpisodeSampler(const Dataset& dataset, const EpisodeShape& shape)
      : dataset_(&dataset), shape_(shape) {}

  const Dataset* dataset_;
  EpisodeShape shape_;
  std::vector<int64_t> classes_;     // those with enough samples
  std::vector<at::Tensor> samples_;  // int64 [n] for each of them: where its samples are
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_EPISODES_H_
