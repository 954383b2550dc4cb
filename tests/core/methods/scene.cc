#include "tests/core/methods/scene.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "core/methods/registry.h"
#include "core/model/architectures.h"
#include "core/train/trainer.h"

namespace acclimate::testing {
namespace {

std::unique_ptr<model::Model> NewModel(const std::string& architecture,
                                       const std::vector<int64_t>& sample_shape) {
  at::manual_seed(9);
  auto model = model::BuildArchitecture({architecture, sample_shape, kClasses}).value();
  const at::NoGradGuard no_grad;
  for (const model::BatchNormLayer& norm : model->batch_norm_layers()) {
    norm.weight.uniform_(0.5, 1.5);
    norm.bias.normal_(0.0, 0.2);
    norm.running_mean.normal_(0.0, 0.3);
    norm.running_var.uniform_(0.5, 1.5);
  }
  return model;
}

}  // namespace

data::Dataset Blobs(int64_t samples, const std::vector<int64_t>& sample_shape, uint64_t seed,
                    double gain, double offset) {
  std::vector<int64_t> shape = sample_shape;
  shape.insert(shape.begin(), kClasses);
  const at::Tensor centres = at::randn(shape, at::detail::createCPUGenerator(12345), at::kFloat);
  shape[0] = samples;
  const at::Tensor noise = at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat);
  const at::Tensor labels = at::arange(samples, at::kLong).remainder(kClasses);
  const at::Tensor inputs = (centres.index_select(0, labels) + 0.5 * noise) * gain + offset;
  return data::Dataset::FromTensors(inputs, labels, "blobs").value();
}

Scene::Scene(const std::string& architecture, const std::vector<int64_t>& sample_shape,
             int64_t target_samples)
    : model(NewModel(architecture, sample_shape)),
      sources({Blobs(40, sample_shape, 1)}),
      target(Blobs(target_samples, sample_shape, 2, 1.5, 1.0)) {}

void Scene::TakeCounts() {
  const auto counts = [](const data::Dataset& dataset) {
    return dataset.WithSamples(dataset.stored_inputs().relu(), dataset.labels(), "counts").value();
  };
  for (data::Dataset& source : sources) source = counts(source);
  target = counts(target);
}

std::unique_ptr<train::Task> Scene::Task(const std::string& method,
                                         const methods::Hyperparameters& given,
                                         const at::Device& device) {
  const methods::MethodEntry* entry = methods::FindMethod(method);
  if (entry == nullptr) throw std::runtime_error("no method " + method);
  methods::Hyperparameters values = given;
  for (const methods::HyperparameterSpec& known : entry->spec.hyperparameters) {
    if (known.name == "ways") values.emplace(known.name, kClasses);
  }
  model->To(device);
  const methods::Settings settings(methods::ResolveHyperparameters(entry->spec, values).value());
  for (const methods::InputSpec& input : entry->spec.inputs) {
    using Kind = methods::InputSpec::Kind;
    if (input.kind == Kind::kDataset) inputs.datasets.emplace(input.name, target);
    if (input.kind == Kind::kModel && input.need == methods::DataNeed::kRequired) {
      inputs.models.emplace(input.name, model->Clone());
    }
  }
  return entry->make_task({*model, sources, target, device, settings, inputs}).value();
}

absl::Status Scene::Train(train::Task& task) {
  train::StopSignal stop([] { return train::Directive::kContinue; });
  return train::Trainer(task, *model, sources, target, {}, {}).Run(stop);
}

train::StepInput Scene::Input(int64_t samples, double progress) const {
  train::StepInput input;
  input.progress = at::scalar_tensor(progress, at::kDouble);
  input.source = sources[0].Slice(0, samples, at::kCPU);
  input.source_counts = {samples};
  input.target_index = at::arange(samples, at::kLong) * 3 + 1;
  input.target = target.Gather(input.target_index, at::kCPU);
  return input;
}

at::Tensor Scene::TargetInputs() const { return target.Slice(0, target.size(), at::kCPU).inputs; }

std::map<std::string, at::Tensor> Snapshot(const model::Model& model) {
  std::map<std::string, at::Tensor> copies;
  for (const auto& [name, tensor] : model.StateDict()) copies[name] = tensor.detach().clone();
  return copies;
}

std::vector<std::string> Changed(const model::Model& model,
                                 const std::map<std::string, at::Tensor>& before) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : model.StateDict()) {
    if (!at::equal(tensor, before.at(name))) names.push_back(name);
  }
  return names;
}

void ExpectStatisticsOf(model::Model& model, const at::Tensor& inputs) {
  const at::NoGradGuard no_grad;
  const std::vector<model::BatchNormLayer>& layers = model.batch_norm_layers();
  ASSERT_FALSE(layers.empty());
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    // [N, C, ...] -> [C, everything else].
    const at::Tensor input =
        model.BatchNormInput(layer, inputs).to(at::kDouble).transpose(0, 1).flatten(1);
    const auto stored = [&](const at::Tensor& statistic) { return statistic.to(at::kDouble); };
    EXPECT_TRUE(at::allclose(stored(layers[layer].running_mean), input.mean(1), 1e-4, 1e-5))
        << layers[layer].name;
    EXPECT_TRUE(
        at::allclose(stored(layers[layer].running_var), input.var(1, /*unbiased=*/true), 1e-4, 0))
        << layers[layer].name;
  }
}

}  // namespace acclimate::testing
