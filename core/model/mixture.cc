#include "core/model/mixture.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/script.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_split.h"
#include "absl/strings/substitute.h"
#include "core/model/script_model.h"

namespace acclimate::model {
namespace {

using torch::jit::Module;

// Of the classifier layer: experts * classes rows of experts, one after the other, then the gate's.
// No softmax by its name: logits are taken before the last one of a model.
constexpr char kForward[] = R"(
def forward(self, x):
  rows = torch.flatten(self.network.forward(x), 1)
  experts = torch.narrow(rows, 1, 0, $0).reshape([-1, $1, $2])
  gate = torch.narrow(rows, 1, $0, $1)
  experts = experts - torch.logsumexp(experts, [2], True)
  gate = gate - torch.logsumexp(gate, [1], True)
  return torch.logsumexp(experts + gate.unsqueeze(2), [1])
)";

// weight [C, ...] or bias [C] -> [E C + E, ...], with zeros for the gate.
at::Tensor Stacked(const at::Tensor& parameter, int64_t experts) {
  std::vector<at::Tensor> rows(static_cast<size_t>(experts), parameter.detach());
  rows.push_back(at::zeros_like(parameter).narrow(0, 0, 1).repeat_interleave(experts, 0));
  return at::cat(rows);
}

void Replace(const Module& module, const std::string& path, const at::Tensor& tensor) {
  std::vector<std::string> names = absl::StrSplit(path, '.');
  const std::string last = std::move(names.back());
  names.pop_back();
  auto object = module._ivalue();
  for (const std::string& name : names) object = object->getAttr(name).toObject();
  object->setAttr(last, tensor);
}

Module WithExperts(const Model& model, int64_t experts) {
  // ScriptModel is the one implementation of Model.
  Module network = static_cast<const ScriptModel&>(model).module().deepcopy();
  for (const Parameter& parameter : model.parameters()) {
    if (parameter.head) Replace(network, parameter.name, Stacked(parameter.tensor, experts));
  }
  const int64_t classes = model.num_classes();
  Module mixture(c10::QualifiedName("__torch__.acclimate", "Mixture"),
                 network._ivalue()->compilation_unit(), /*shouldMangle=*/true);
  mixture.register_attribute("training", c10::BoolType::get(), true);
  mixture.register_attribute(kMixtureClasses, c10::IntType::get(), classes);
  mixture.register_module("network", network);
  mixture.define(absl::Substitute(kForward, experts * classes, experts, classes));
  return mixture;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakeMixture(const Model& model, int64_t experts) {
  const at::NoGradGuard no_grad;
  try {
    absl::StatusOr<std::unique_ptr<Model>> mixture =
        ScriptModel::Create(WithExperts(model, experts), {CheckpointForm::kTorchScript, "", {}});
    if (!mixture.ok()) return mixture;
    (*mixture)->metadata() = model.metadata();
    (*mixture)->set_precision(model.precision());
    return mixture;
  } catch (const torch::jit::ErrorReport&) {
    return absl::InvalidArgumentError("forward() must return one tensor, the logits");
  }
}

ExpertOutputs RunExperts(const Model& mixture, const at::Tensor& features) {
  at::Tensor weight, bias;
  for (const Parameter& parameter : mixture.parameters()) {
    if (parameter.head) (parameter.tensor.dim() == 1 ? bias : weight) = parameter.tensor;
  }
  const int64_t classes = mixture.num_classes();
  const int64_t experts = weight.size(0) / (classes + 1);
  const at::Tensor rows = at::linear(features, weight.flatten(1), bias);
  return {rows.narrow(1, 0, experts * classes).reshape({-1, experts, classes}),
          rows.narrow(1, experts * classes, experts).softmax(1)};
}

}  // namespace acclimate::model
