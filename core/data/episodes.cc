#include "core/data/episodes.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace acclimate::data {
namespace {

constexpr int64_t kQuarters = 4;

at::Tensor Permutation(int64_t count, const absl::optional<at::Generator>& generator) {
  const c10::optional<at::Generator> source =
      generator ? c10::optional<at::Generator>(*generator) : c10::nullopt;
  return at::randperm(count, source, at::TensorOptions(at::kLong));
}

// `each` samples of every class, class by class; those of class c turned quarters[c] times.
Batch Labelled(at::Tensor inputs, const at::Tensor& quarters, int64_t each) {
  const int64_t ways = quarters.size(0);
  const int64_t* const turns = quarters.data_ptr<int64_t>();
  for (int64_t way = 0; way < ways; ++way) {
    if (turns[way] == 0) continue;
    at::Tensor of_class = inputs.slice(0, way * each, (way + 1) * each);
    of_class.copy_(of_class.rot90(turns[way], {2, 3}).clone());
  }
  return {inputs, at::arange(ways, at::kLong).repeat_interleave(each).to(inputs.device())};
}

}  // namespace

absl::StatusOr<EpisodeSampler> EpisodeSampler::Create(const Dataset& dataset,
                                                      const EpisodeShape& shape) {
  if (!dataset.has_labels()) {
    return absl::InvalidArgumentError(absl::StrCat(dataset.name(), " has no labels"));
  }
  const std::vector<int64_t> sample = dataset.sample_shape();
  if (shape.rotations && (sample.size() != 3 || sample[1] != sample[2])) {
    return absl::InvalidArgumentError("rotations: the samples are no square images");
  }
  EpisodeSampler sampler(dataset, shape);
  const at::Tensor by_class = dataset.labels().argsort(/*stable=*/true, /*dim=*/0, false);
  const at::Tensor counts = dataset.labels().bincount();
  const int64_t* const count = counts.data_ptr<int64_t>();
  for (int64_t label = 0, begin = 0; label < counts.size(0); begin += count[label++]) {
    if (count[label] < shape.shots + shape.queries) continue;
    sampler.classes_.push_back(label);
    sampler.samples_.push_back(by_class.slice(0, begin, begin + count[label]));
  }
  const int64_t enough = static_cast<int64_t>(sampler.classes_.size());
  if (enough * (shape.rotations ? kQuarters : 1) < shape.ways) {
    return absl::InvalidArgumentError(
        absl::StrCat("an episode needs ", shape.ways, " classes of at least ",
                     shape.shots + shape.queries, " samples; there are ", enough));
  }
  return sampler;
}

Episode EpisodeSampler::Next(const at::Device& device,
                             absl::optional<at::Generator> generator) const {
  const int64_t classes = static_cast<int64_t>(classes_.size());
  const at::Tensor drawn =
      Permutation(classes * (shape_.rotations ? kQuarters : 1), generator).slice(0, 0, shape_.ways);
  const int64_t* const chosen = drawn.data_ptr<int64_t>();
  Episode episode;
  episode.classes = at::empty({shape_.ways}, at::kLong);
  episode.quarters = drawn.div(classes, "floor");
  std::vector<at::Tensor> support, query;
  for (int64_t way = 0; way < shape_.ways; ++way) {
    const at::Tensor& samples = samples_[chosen[way] % classes];
    episode.classes.data_ptr<int64_t>()[way] = classes_[chosen[way] % classes];
    const at::Tensor order = Permutation(samples.size(0), generator);
    const auto take = [&](int64_t begin, int64_t count) {
      return samples.index_select(0, order.slice(0, begin, begin + count));
    };
    support.push_back(take(0, shape_.shots));
    query.push_back(take(shape_.shots, shape_.queries));
  }
  const auto gather = [&](const std::vector<at::Tensor>& index, int64_t each) {
    return Labelled(dataset_->Gather(at::cat(index), device).inputs, episode.quarters, each);
  };
  episode.support = gather(support, shape_.shots);
  episode.query = gather(query, shape_.queries);
  return episode;
}

}  // namespace acclimate::data
