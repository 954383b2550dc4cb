// A method's task over a small model, to be stepped by hand.
#ifndef ACCLIMATE_TESTS_CORE_METHODS_METHOD_BENCH_H_
#define ACCLIMATE_TESTS_CORE_METHODS_METHOD_BENCH_H_

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/methods/method.h"
#include "core/methods/registry.h"
#include "core/model/architectures.h"
#include "core/train/gradients.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::methods {

// An untrained model of 3 classes on 12 inputs, by default `mlp`, whose batch norm is made uneven
// and whose head, "fc", is made sure of itself, and its data.
class MethodBench {
 public:
  MethodBench(
      const std::string& method, Hyperparameters given, bool with_source = false,
      int64_t target_samples = 64,
      const std::function<std::unique_ptr<model::Model>()>& make_model = [] {
        return model::BuildArchitecture({"mlp", {12}, 3}).value();
      }) {
    at::manual_seed(21);
    model = make_model();
    const at::NoGradGuard no_grad;
    for (const model::BatchNormLayer& layer : model->batch_norm_layers()) {
      layer.weight.uniform_(0.5, 1.5);
      layer.bias.uniform_(-0.5, 0.5);
    }
    model->StateDict().at("fc.weight").mul_(4.0);
    const testing::Domain domain = testing::Shifted(testing::MakeDomain(target_samples, {12}, 2));
    target.push_back(data::Dataset::FromTensors(domain.inputs, {}, "target").value());
    if (with_source) {
      const testing::Domain labelled = testing::MakeDomain(96, {12}, 1);
      sources.push_back(
          data::Dataset::FromTensors(labelled.inputs, labelled.labels, "source").value());
    }
    const MethodEntry& entry = *FindMethod(method);
    task = entry
               .make_task({*model, sources, target.front(), at::kCPU,
                           Settings(ResolveHyperparameters(entry.spec, std::move(given)).value()),
                           extra})
               .value();
    for (const train::ParameterGroup& group : task->plan().groups) {
      for (const train::NamedParameter& parameter : group.parameters) {
        parameter.tensor.requires_grad_(true);
        moving.push_back(parameter);
      }
    }
  }

  train::StepInput Input(int64_t step = 0) const {
    train::StepInput input;
    input.step = step;
    input.target = target.front().Slice(0, 64, at::kCPU);
    return input;
  }

  train::StepOutput Step(int64_t step = 0) { return task->Step(Input(step), stop).value(); }

  std::vector<at::Tensor> Gradients(const at::Tensor& loss) const {
    std::vector<at::Tensor> parameters;
    for (const train::NamedParameter& parameter : moving) parameters.push_back(parameter.tensor);
    return train::Gradients(loss, parameters, /*retain_graph=*/true);
  }

  // Copies of everything that moves.
  std::vector<at::Tensor> Weights() const {
    std::vector<at::Tensor> copies;
    for (const train::NamedParameter& parameter : moving) {
      copies.push_back(parameter.tensor.detach().clone());
    }
    return copies;
  }

  at::Tensor Logits() const {
    return model->Forward(Input().target.inputs, model::Mode::kBatchStatistics).logits;
  }

  std::unique_ptr<model::Model> model;
  std::vector<data::Dataset> sources, target;
  ExtraInputs extra;
  std::unique_ptr<train::Task> task;
  std::vector<train::NamedParameter> moving;
  train::StopSignal stop{[] { return train::Directive::kContinue; }};
};

inline double LargestDifference(const std::vector<at::Tensor>& a,
                                const std::vector<at::Tensor>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, (a[i] - b[i]).abs().max().item<double>());
  }
  return largest;
}

}  // namespace acclimate::methods

#endif  // ACCLIMATE_TESTS_CORE_METHODS_METHOD_BENCH_H_
