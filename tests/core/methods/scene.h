// A model and two domains in memory, and the tasks that methods make of them.
#ifndef ACCLIMATE_TESTS_CORE_METHODS_SCENE_H_
#define ACCLIMATE_TESTS_CORE_METHODS_SCENE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "core/data/dataset.h"
#include "core/methods/method.h"
#include "core/model/model.h"
#include "core/train/task.h"

namespace acclimate::testing {

constexpr int64_t kClasses = 3;

// Three Gaussian blobs around centres that every domain shares.
data::Dataset Blobs(int64_t samples, const std::vector<int64_t>& sample_shape, uint64_t seed,
                    double gain = 1.0, double offset = 0.0);

struct Scene {
  explicit Scene(const std::string& architecture = "mlp",
                 const std::vector<int64_t>& sample_shape = {6}, int64_t target_samples = 48);

  // Source and target become samples without negative values.
  void TakeCounts();
  // The defaults of `method` with `given` laid over them; of its inputs, the models that it needs
  // and the unlabelled datasets. The model goes to the device.
  std::unique_ptr<train::Task> Task(const std::string& method,
                                    const methods::Hyperparameters& given = {},
                                    const at::Device& device = at::kCPU);
  // Runs `task` to its end.
  absl::Status Train(train::Task& task);
  // The first samples of the source, and of the target every third: index and place differ.
  train::StepInput Input(int64_t samples, double progress = 0.0) const;
  // The whole target.
  at::Tensor TargetInputs() const;

  std::unique_ptr<model::Model> model;  // its batch norms are far from any data's statistics
  std::vector<data::Dataset> sources;
  data::Dataset target;
  methods::ExtraInputs inputs;  // made by Task(): models are copies of `model`, datasets the target
};

// Copies of a model's parameters and buffers.
std::map<std::string, at::Tensor> Snapshot(const model::Model& model);
// The names of tensors that are no longer bit-equal to `before`.
std::vector<std::string> Changed(const model::Model& model,
                                 const std::map<std::string, at::Tensor>& before);

// Every batch norm's stored statistics are the mean and the unbiased variance of its input over
// `inputs`, as the model stands.
void ExpectStatisticsOf(model::Model& model, const at::Tensor& inputs);

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_CORE_METHODS_SCENE_H_
