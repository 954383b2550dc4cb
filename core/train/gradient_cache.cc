#include "core/train/gradient_cache.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/runtime/random.h"
#include "core/train/training_state.h"

namespace acclimate::train {
namespace {

struct Chunk {
  int64_t begin, end;
  TensorMap generators;  // before it was encoded
};

TensorMap BuffersOf(const model::Model& model) {
  TensorMap buffers = model.StateDict();
  for (const model::Parameter& parameter : model.parameters()) buffers.erase(parameter.name);
  return buffers;
}

// Everything that encoding changes, put back at the end of its life.
class Unchanged {
 public:
  Unchanged(const model::Model& model, const at::Device& device)
      : device_(device), generators_(runtime::GeneratorStates(device)), buffers_(BuffersOf(model)) {
    for (const auto& [name, buffer] : buffers_) values_[name] = buffer.clone();
  }
  ~Unchanged() {
    const at::NoGradGuard no_grad;
    for (auto& [name, buffer] : buffers_) buffer.copy_(values_.at(name));
    runtime::RestoreGenerators(generators_, device_).IgnoreError();
  }
  Unchanged(const Unchanged&) = delete;
  Unchanged& operator=(const Unchanged&) = delete;

 private:
  const at::Device device_;
  const TensorMap generators_;
  TensorMap buffers_, values_;
};

void BackwardByChunks(const model::Model& model, const at::Device& device,
                      const std::vector<Chunk>& chunks, const EncodeSamples& encode,
                      const at::Tensor& gradient) {
  const at::AutoGradMode with_graph(true);
  const Unchanged unchanged(model, device);
  for (const Chunk& chunk : chunks) {
    // A state that was just taken from this generator fits it.
    runtime::RestoreGenerators(chunk.generators, device).IgnoreError();
    encode(chunk.begin, chunk.end).backward(gradient.slice(0, chunk.begin, chunk.end));
  }
}

}  // namespace

at::Tensor EncodeInChunks(model::Model& model, const at::Device& device, int64_t samples,
                          int64_t chunk_size, EncodeSamples encode) {
  if (samples <= chunk_size) return encode(0, samples);
  const int64_t count = (samples + chunk_size - 1) / chunk_size;
  std::vector<Chunk> chunks;
  std::vector<at::Tensor> encoded;
  {
    const at::NoGradGuard no_graph;
    for (int64_t i = 0; i < count; ++i) {
      chunks.push_back(
          {samples * i / count, samples * (i + 1) / count, runtime::GeneratorStates(device)});
      encoded.push_back(encode(chunks.back().begin, chunks.back().end));
    }
  }
  at::Tensor all = at::cat(encoded).requires_grad_();
  all.register_hook([&model, device, chunks = std::move(chunks),
                     encode = std::move(encode)](const at::Tensor& gradient) {
    BackwardByChunks(model, device, chunks, encode, gradient);
  });
  return all;
}

}  // namespace acclimate::train
