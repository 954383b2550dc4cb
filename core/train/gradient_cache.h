// Losses over whole batches in the memory of a chunk: gradient caching (Gao et al., "Scaling Deep
// Contrastive Learning Batch Size under Memory Limited Setup", RepL4NLP 2021).
#ifndef ACCLIMATE_CORE_TRAIN_GRADIENT_CACHE_H_
#define ACCLIMATE_CORE_TRAIN_GRADIENT_CACHE_H_

#include <cstdint>
#include <functional>

#include <ATen/core/Tensor.h>

#include "core/model/model.h"

namespace acclimate::train {

// Samples [begin, end) of a batch -> [end - begin, ...], through the model and any modules beside
// it. May draw from the default generators; must outlive the backward pass.
using EncodeSamples = std::function<at::Tensor(int64_t begin, int64_t end)>;

// Encodes `samples` samples and returns [samples, ...], a tensor to put into any loss. With more
// than `chunk_size` of them they are encoded in chunks of even size without a graph; backward()
// of the loss then encodes each chunk once more, with a graph and the random numbers of the first
// time, and adds its gradients to those of the parameters.
//
// Rules:
// 1. Gradients are those of the whole batch encoded at once, exactly, but for what samples of a
//    batch share: batch norm takes its statistics from each chunk.
// 2. Buffers of the model and the generators move as if each chunk had been encoded once.
// 3. Gradients reach leaves that require them through backward(), not through autograd::grad().
at::Tensor EncodeInChunks(model::Model& model, const at::Device& device, int64_t samples,
                          int64_t chunk_size, EncodeSamples encode);

}  // namespace acclimate::train

#endif  // ACCLIMATE_CORE_TRAIN_GRADIENT_CACHE_H_
