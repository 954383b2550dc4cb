// ResNet (He et al. 2016) as torchvision builds it.
#ifndef ACCLIMATE_CORE_MODEL_RESNET_H_
#define ACCLIMATE_CORE_MODEL_RESNET_H_

#include <cstdint>

#include <torch/csrc/jit/api/module.h>

namespace acclimate::model {

enum class ResNetDepth { k18, k50 };

// Parameters are named and initialised as torchvision's. Inputs [N, in_channels, H, W].
torch::jit::Module BuildResNet(ResNetDepth depth, int64_t in_channels, int64_t num_classes);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_RESNET_H_
