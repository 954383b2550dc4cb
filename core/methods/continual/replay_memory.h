// Samples of earlier tasks in bounded memory, with the logits that the model gave them then.
#ifndef ACCLIMATE_CORE_METHODS_CONTINUAL_REPLAY_MEMORY_H_
#define ACCLIMATE_CORE_METHODS_CONTINUAL_REPLAY_MEMORY_H_

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "core/data/dataset.h"
#include "core/data/reservoir.h"
#include "core/train/training_state.h"

namespace acclimate::methods {

// Every sample ever offered is kept with the same probability (reservoir sampling). Samples are
// kept as stored, before normalisation and augmentation. Not thread-safe.
class ReplayMemory {
 public:
  struct Sample {
    data::Batch batch;
    at::Tensor logits;  // [B, C], as they were when the sample was offered
  };

  ReplayMemory(int64_t capacity, int64_t classes);

  // Adds a dataset that samples may come from; it must outlive the memory. Returns its number.
  int64_t AddDataset(const data::Dataset& dataset);

  // Goes on with what an earlier run kept: all of `kept`, a dataset added before, with its logits
  // [n, C], of `seen` samples offered. A smaller capacity keeps a uniform part of it; a larger one
  // stays at n when samples were already dropped, since they cannot be called back.
  void Continue(int64_t kept, const at::Tensor& logits, int64_t seen);

  // Offers rows (int64 [B], CPU) of a dataset with their logits [B, C].
  void Offer(int64_t dataset, const at::Tensor& rows, const at::Tensor& logits);

  // min(count, size()) different samples, uniformly drawn from the default CPU generator.
  Sample Draw(int64_t count, const at::Device& device) const;

  int64_t size() const { return reservoir_.size(); }
  int64_t capacity() const { return reservoir_.capacity(); }
  int64_t seen() const { return reservoir_.seen(); }

  // "inputs" as stored (float32 where datasets differ in type), "labels", "logits", "seen": what
  // the next run takes on. Without samples only "seen".
  train::TensorMap Contents() const;

  // For the training state: where the samples are, not the samples.
  train::TensorMap State() const;
  absl::Status Restore(const train::TensorMap& state);

 private:
  data::Reservoir reservoir_;
  std::vector<const data::Dataset*> datasets_;
  at::Tensor slots_;   // int64 [capacity, 2]: dataset and row; -1 in free slots
  at::Tensor logits_;  // float32 [capacity, C]
};

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_CONTINUAL_REPLAY_MEMORY_H_
