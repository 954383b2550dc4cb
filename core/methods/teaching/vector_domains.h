// What classical models of vectors share: their predictions for a run, and how they read its data.
#ifndef ACCLIMATE_CORE_METHODS_TEACHING_VECTOR_DOMAINS_H_
#define ACCLIMATE_CORE_METHODS_TEACHING_VECTOR_DOMAINS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/methods/method.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

// Class probabilities, float on the CPU. What is said of the held-out sources is by a model that
// did not see them; what is said of the target by one that was fitted to them too.
struct ClassicalPredictions {
  at::Tensor target;    // [N, C], rows as the context's target
  at::Tensor held_out;  // [M, C], rows as its held-out sources, one after the other; undefined
                        // without
};

// Share of the held-out samples that are predicted right; NaN without them.
double HeldOutAccuracy(const ClassicalPredictions& predictions, const MethodContext& context);

// INVALID_ARGUMENT, with the field: the target's samples are no vectors or have more than 10000
// values, or there is only one.
constexpr int64_t kMostVectorValues = 10000;
absl::Status CheckVectors(const MethodContext& context, const std::string& method);

// Classical models read samples in the units of their file, not as normalised for the network.

// How many samples have `values` together; no fewer than 2000.
int64_t SamplesOf(int64_t values, const MethodContext& context);
// At most `count` samples.
at::Tensor StoredSample(const data::Dataset& dataset, int64_t count, uint64_t seed);
// Of all datasets, one after the other.
at::Tensor LabelsOf(const std::vector<data::Dataset>& datasets);

// Calls `predict` for the stored samples in parts of at most `most`, dealt out at random, and puts
// the rows that it gives in the dataset's order, as float. CANCELLED between two parts.
absl::StatusOr<at::Tensor> PredictInParts(
    const data::Dataset& dataset, int64_t most, uint64_t seed, train::StopSignal& stop,
    const std::function<at::Tensor(const at::Tensor& samples)>& predict);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_TEACHING_VECTOR_DOMAINS_H_
