// A network that normalises nothing.
#ifndef ACCLIMATE_TESTS_CORE_TRAIN_PLAIN_NETWORK_H_
#define ACCLIMATE_TESTS_CORE_TRAIN_PLAIN_NETWORK_H_

#include <ATen/ATen.h>
#include <torch/script.h>

#include <memory>
#include <utility>

#include "core/model/layers.h"
#include "core/model/script_model.h"

namespace acclimate::testing {

// 6 inputs, two hidden layers, 3 classes, new weights.
inline std::unique_ptr<model::Model> PlainNetwork() {
  constexpr int64_t kWidth = 32;
  const model::LayerFactory layers;
  torch::jit::Module net = layers.Empty("PlainNetwork");
  net.register_module("fc1", layers.Linear(6, kWidth));
  net.register_module("fc2", layers.Linear(kWidth, kWidth));
  net.register_module("fc", layers.Linear(kWidth, 3));
  net.define(R"(
def forward(self, x):
  x = torch.relu(self.fc1.forward(x))
  x = torch.relu(self.fc2.forward(x))
  return self.fc.forward(x)
)");
  return model::ScriptModel::Create(std::move(net), {model::CheckpointForm::kTorchScript, "", {6}})
      .value();
}

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_CORE_TRAIN_PLAIN_NETWORK_H_
