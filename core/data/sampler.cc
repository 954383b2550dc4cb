#include "core/data/sampler.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"

namespace acclimate::data {
namespace {

constexpr char kGenerator[] = "generator";
constexpr char kPlace[] = "place";  // [dataset size, batch size, drop last, position, epoch]

}  // namespace

Sampler::Sampler(int64_t dataset_size, int64_t batch_size, uint64_t seed, bool drop_last)
    : dataset_size_(dataset_size),
      batch_size_(std::min(batch_size, dataset_size)),
      drop_last_(drop_last),
      generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {
  TORCH_CHECK(dataset_size > 0 && batch_size > 0, "Sampler: sizes must be positive, got ",
              dataset_size, " samples in batches of ", batch_size);
  BeginEpoch();
}

// The state before the draw stands for the permutation: 5 KB instead of 8 bytes a sample.
void Sampler::BeginEpoch() {
  generator_at_epoch_ = generator_.get_state();
  permutation_ = at::randperm(dataset_size_, generator_, at::TensorOptions(at::kLong));
  position_ = 0;
}

bool Sampler::EpochIsOver() const {
  int64_t left = dataset_size_ - position_;
  return drop_last_ ? left < batch_size_ : left == 0;
}

at::Tensor Sampler::Next() {
  if (EpochIsOver()) BeginEpoch();
  int64_t end = std::min(position_ + batch_size_, dataset_size_);
  at::Tensor batch = permutation_.slice(0, position_, end);
  position_ = end;
  if (EpochIsOver()) ++epoch_;
  return batch;
}

int64_t Sampler::batches_per_epoch() const {
  int64_t whole = dataset_size_ / batch_size_;
  return drop_last_ || dataset_size_ % batch_size_ == 0 ? whole : whole + 1;
}

std::map<std::string, at::Tensor> Sampler::State() const {
  return {{kGenerator, generator_at_epoch_.clone()},
          {kPlace, at::tensor({dataset_size_, batch_size_, int64_t{drop_last_}, position_, epoch_},
                              at::kLong)}};
}

absl::Status Sampler::Restore(const std::map<std::string, at::Tensor>& state) {
  auto generator = state.find(kGenerator), place = state.find(kPlace);
  if (generator == state.end() || place == state.end() ||
      place->second.scalar_type() != at::kLong || place->second.numel() != 5) {
    return absl::InvalidArgumentError("sampler: the state is incomplete");
  }
  at::Tensor numbers = place->second.contiguous();
  const int64_t* saved = numbers.data_ptr<int64_t>();
  if (saved[0] != dataset_size_ || saved[1] != batch_size_ || saved[2] != int64_t{drop_last_}) {
    return absl::InvalidArgumentError(absl::StrCat("sampler: the state is of ", saved[0],
                                                   " samples in batches of ", saved[1], ", not of ",
                                                   dataset_size_, " in batches of ", batch_size_));
  }
  if (saved[3] < 0 || saved[3] > dataset_size_ || saved[4] < 0) {
    return absl::InvalidArgumentError(absl::StrCat("sampler: no such position: ", saved[3]));
  }
  try {
    generator_.set_state(generator->second);
  } catch (const c10::Error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("sampler: generator: ", error.what_without_backtrace()));
  }
  BeginEpoch();
  position_ = saved[3];
  epoch_ = saved[4];
  return absl::OkStatus();
}

}  // namespace acclimate::data
