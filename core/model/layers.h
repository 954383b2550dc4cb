// The layers of the built-in architectures, as TorchScript modules made without Python.
#ifndef ACCLIMATE_CORE_MODEL_LAYERS_H_
#define ACCLIMATE_CORE_MODEL_LAYERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/jit/api/module.h>

namespace acclimate::model {

struct ConvolutionShape {
  int64_t in, out, kernel;
  int64_t stride = 1;
  int64_t padding = 0;
  bool bias = true;
};

// Makes modules that may be nested in each other. Parameters have PyTorch's names and default
// initialisation, drawn from the default generator.
class LayerFactory {
 public:
  LayerFactory();

  // Without a forward(): the caller registers its parts and defines one.
  torch::jit::Module Empty(const std::string& type_name) const;
  torch::jit::Module Convolution(const ConvolutionShape& shape) const;  // over [N, C, H, W]
  torch::jit::Module BatchNorm(int64_t channels) const;                 // over [N, C, ...]
  torch::jit::Module Linear(int64_t in, int64_t out) const;
  // Parts are named "0", "1", ... and run one after the other.
  torch::jit::Module Sequence(const std::vector<torch::jit::Module>& parts) const;

 private:
  std::shared_ptr<torch::jit::CompilationUnit> unit_;
};

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_LAYERS_H_
