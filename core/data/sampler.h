// The order in which a training run sees its samples, and where it stands in it.
#ifndef ACCLIMATE_CORE_DATA_SAMPLER_H_
#define ACCLIMATE_CORE_DATA_SAMPLER_H_

#include <cstdint>
#include <map>
#include <string>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "absl/status/status.h"

namespace acclimate::data {

// Endless batches without replacement: a new permutation each epoch, from its own generator. The
// last, short batch of an epoch is dropped when drop_last, so that batch statistics stay sound (a
// dataset smaller than one batch gives itself whole). State is saved between any two batches and
// restored bit-equally.
class Sampler {
 public:
  Sampler(int64_t dataset_size, int64_t batch_size, uint64_t seed, bool drop_last = true);

  at::Tensor Next();  // int64 [B] on the CPU
  int64_t batches_per_epoch() const;
  int64_t epoch() const { return epoch_; }  // completed epochs

  std::map<std::string, at::Tensor> State() const;
  // INVALID_ARGUMENT: missing or of another dataset or batch size; the sampler is then unchanged.
  absl::Status Restore(const std::map<std::string, at::Tensor>& state);

 private:
  bool EpochIsOver() const;
  void BeginEpoch();

  int64_t dataset_size_;
  int64_t batch_size_;
  bool drop_last_;
  at::Generator generator_;
  at::Tensor generator_at_epoch_;  // its state just before the current permutation was drawn
  at::Tensor permutation_;
  int64_t position_ = 0;
  int64_t epoch_ = 0;
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_SAMPLER_H_
