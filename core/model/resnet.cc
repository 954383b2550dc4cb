#include "core/model/resnet.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/script.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/model/layers.h"

namespace acclimate::model {
namespace {

using torch::jit::Module;

class ResNetBuilder {
 public:
  explicit ResNetBuilder(ResNetDepth depth) : bottleneck_(depth == ResNetDepth::k50) {}

  Module Build(int64_t in_channels, int64_t num_classes) {
    Module net = layers_.Empty("ResNet");
    net.register_module("conv1", Convolution({in_channels, width_, 7, 2, 3}));
    net.register_module("bn1", layers_.BatchNorm(width_));
    const std::vector<int64_t> blocks =
        bottleneck_ ? std::vector<int64_t>{3, 4, 6, 3} : std::vector<int64_t>{2, 2, 2, 2};
    for (size_t i = 0; i < blocks.size(); ++i) {
      net.register_module(absl::StrCat("layer", i + 1),
                          Stage(64 << i, blocks[i], /*stride=*/i == 0 ? 1 : 2));
    }
    net.register_module("fc", layers_.Linear(width_, num_classes));
    net.define(R"(
def forward(self, x):
  x = torch.relu(self.bn1.forward(self.conv1.forward(x)))
  x = torch.max_pool2d(x, [3, 3], [2, 2], [1, 1])
  x = self.layer1.forward(x)
  x = self.layer2.forward(x)
  x = self.layer3.forward(x)
  x = self.layer4.forward(x)
  x = torch.flatten(torch.adaptive_avg_pool2d(x, [1, 1]), 1)
  return self.fc.forward(x)
)");
    return net;
  }

 private:
  // No bias; normal with the deviation that keeps the variance of gradients (He et al. 2015).
  Module Convolution(ConvolutionShape shape) const {
    shape.bias = false;
    Module module = layers_.Convolution(shape);
    const double fan_out = static_cast<double>(shape.out * shape.kernel * shape.kernel);
    const at::NoGradGuard no_grad;
    module.attr("weight").toTensor().normal_(0, std::sqrt(2 / fan_out));
    return module;
  }

  Module Stage(int64_t planes, int64_t blocks, int64_t stride) {
    std::vector<Module> parts;
    for (int64_t i = 0; i < blocks; ++i) parts.push_back(Block(planes, i == 0 ? stride : 1));
    return layers_.Sequence(parts);
  }

  // Two 3x3 convolutions, or 1x1, 3x3, 1x1 with four times the planes, and a shortcut around.
  Module Block(int64_t planes, int64_t stride) {
    const int64_t out = bottleneck_ ? 4 * planes : planes;
    const std::vector<ConvolutionShape> shapes =
        bottleneck_
            ? std::vector<ConvolutionShape>{{width_, planes, 1},
                                            {planes, planes, 3, stride, 1},
                                            {planes, out, 1}}
            : std::vector<ConvolutionShape>{{width_, planes, 3, stride, 1}, {planes, out, 3, 1, 1}};
    Module block = layers_.Empty("Block");
    std::string forward = "def forward(self, x):\n  y = x\n";
    for (size_t i = 1; i <= shapes.size(); ++i) {
      block.register_module(absl::StrCat("conv", i), Convolution(shapes[i - 1]));
      block.register_module(absl::StrCat("bn", i), layers_.BatchNorm(shapes[i - 1].out));
      absl::StrAppend(&forward, "  y = self.bn", i, ".forward(self.conv", i, ".forward(y))\n");
      if (i < shapes.size()) absl::StrAppend(&forward, "  y = torch.relu(y)\n");
    }
    const bool projects = stride != 1 || width_ != out;
    if (projects) {
      block.register_module("downsample", layers_.Sequence({Convolution({width_, out, 1, stride}),
                                                            layers_.BatchNorm(out)}));
    }
    block.define(absl::StrCat(forward, "  return torch.relu(y + ",
                              projects ? "self.downsample.forward(x)" : "x", ")\n"));
    width_ = out;
    return block;
  }

  const bool bottleneck_;
  LayerFactory layers_;
  int64_t width_ = 64;  // channels that the next block takes
};

}  // namespace

Module BuildResNet(ResNetDepth depth, int64_t in_channels, int64_t num_classes) {
  return ResNetBuilder(depth).Build(in_channels, num_classes);
}

}  // namespace acclimate::model
