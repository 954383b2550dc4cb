// A network that normalises without batches: layer norm and group norm.
#ifndef ACCLIMATE_TESTS_CORE_METHODS_LAYER_NORMED_H_
#define ACCLIMATE_TESTS_CORE_METHODS_LAYER_NORMED_H_

#include <ATen/ATen.h>
#include <torch/script.h>

#include <memory>
#include <string>
#include <vector>

#include "core/model/layers.h"
#include "core/model/script_model.h"

namespace acclimate::testing {

// 12 inputs, 3 classes; the layers that normalise are "norm1" (layer norm) and "norm2" (group
// norm), with scales and shifts that are not all one and zero. `affine` false: without scale and
// shift.
inline std::unique_ptr<model::Model> LayerNormed(bool affine = true) {
  constexpr int64_t kWidth = 32;
  const model::LayerFactory layers;
  const auto norm = [&](const std::string& call) {
    torch::jit::Module module = layers.Empty("Norm");
    if (affine) {
      module.register_parameter("weight", at::rand({kWidth}).add_(0.5).requires_grad_(), false);
      module.register_parameter("bias", at::randn({kWidth}).mul_(0.2).requires_grad_(), false);
    }
    const std::string tensors = affine ? "self.weight, self.bias" : "None, None";
    module.define("def forward(self, x):\n  return torch." + call + ", " + tensors + ", 1e-5)\n");
    return module;
  };
  torch::jit::Module net = layers.Empty("LayerNormed");
  net.register_module("fc1", layers.Linear(12, kWidth));
  net.register_module("norm1", norm("layer_norm(x, [32]"));
  net.register_module("fc2", layers.Linear(kWidth, kWidth));
  net.register_module("norm2", norm("group_norm(x, 4"));
  net.register_module("fc", layers.Linear(kWidth, 3));
  net.define(R"(
def forward(self, x):
  x = torch.relu(self.norm1.forward(self.fc1.forward(x)))
  x = torch.relu(self.norm2.forward(self.fc2.forward(x)))
  return self.fc.forward(x)
)");
  return model::ScriptModel::Create(std::move(net), {model::CheckpointForm::kTorchScript, "", {12}})
      .value();
}

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_CORE_METHODS_LAYER_NORMED_H_
