#include "core/model/layers.h"

#include <ATen/ATen.h>
#include <torch/script.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/model/weight_draw.h"

namespace acclimate::model {

using torch::jit::Module;

namespace {

at::Tensor Drawn(at::IntArrayRef shape, int64_t fan_in) {
  return DrawWeights(shape, fan_in).requires_grad_();
}

}  // namespace

LayerFactory::LayerFactory() : unit_(std::make_shared<torch::jit::CompilationUnit>()) {}

Module LayerFactory::Empty(const std::string& type_name) const {
  Module module(c10::QualifiedName("__torch__.acclimate", type_name), unit_, /*shouldMangle=*/true);
  module.register_attribute("training", c10::BoolType::get(), true);
  return module;
}

Module LayerFactory::Convolution(const ConvolutionShape& shape) const {
  const int64_t fan_in = shape.in * shape.kernel * shape.kernel;
  Module module = Empty("Conv2d");
  module.register_parameter(
      "weight", Drawn({shape.out, shape.in, shape.kernel, shape.kernel}, fan_in), false);
  if (shape.bias) module.register_parameter("bias", Drawn({shape.out}, fan_in), false);
  module.define(absl::StrFormat(
      "def forward(self, x):\n"
      "  return torch.conv2d(x, self.weight, %s, [%d, %d], [%d, %d])\n",
      shape.bias ? "self.bias" : "None", shape.stride, shape.stride, shape.padding, shape.padding));
  return module;
}

Module LayerFactory::BatchNorm(int64_t channels) const {
  Module module = Empty("BatchNorm");
  module.register_parameter("weight", at::ones(channels).requires_grad_(), false);
  module.register_parameter("bias", at::zeros(channels).requires_grad_(), false);
  module.register_buffer("running_mean", at::zeros(channels));
  module.register_buffer("running_var", at::ones(channels));
  module.register_buffer("num_batches_tracked", at::zeros({}, at::kLong));
  module.define(R"(
def forward(self, x):
  if self.training:
    self.num_batches_tracked.add_(1)
  return torch.batch_norm(x, self.weight, self.bias, self.running_mean, self.running_var,
                          self.training, 0.1, 1e-5, True)
)");
  return module;
}

Module LayerFactory::Linear(int64_t in, int64_t out) const {
  Module module = Empty("Linear");
  module.register_parameter("weight", Drawn({out, in}, in), false);
  module.register_parameter("bias", Drawn({out}, in), false);
  module.define("def forward(self, x):\n  return torch.linear(x, self.weight, self.bias)\n");
  return module;
}

Module LayerFactory::Sequence(const std::vector<Module>& parts) const {
  Module module = Empty("Sequence");
  std::string forward = "def forward(self, x):\n";
  for (size_t i = 0; i < parts.size(); ++i) {
    module.register_module(absl::StrCat(i), parts[i]);
    absl::StrAppend(&forward, "  x = getattr(self, \"", i, "\").forward(x)\n");
  }
  module.define(absl::StrCat(forward, "  return x\n"));
  return module;
}

}  // namespace acclimate::model
