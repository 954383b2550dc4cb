// Prototypical networks: features in which the nearest class mean is the class.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <utility>

#include "core/methods/few_shot/episodic_task.h"
#include "core/methods/few_shot/prototypes.h"

namespace acclimate::methods {
namespace {

// Batch statistics in training, support and query together, and stored ones afterwards, as the
// authors' code has it: what is measured is what an adapted model does.
class ProtonetTask : public EpisodicTask {
 public:
  explicit ProtonetTask(const MethodContext& context) : EpisodicTask(context) {
    train::ParameterGroup group;
    for (const model::Parameter& parameter : model_.parameters()) {
      if (!parameter.head) group.parameters.push_back({parameter.name, parameter.tensor});
    }
    plan_.groups = {std::move(group)};
  }

 protected:
  at::Tensor QueryLogits(const data::Episode& episode, EpisodeUse use) override {
    const bool training = use == EpisodeUse::kTraining;
    const at::AutoGradMode gradients(training);
    const at::Tensor inputs = at::cat({episode.support.inputs, episode.query.inputs});
    const at::Tensor features =
        model_.Forward(inputs, training ? model::Mode::kTraining : model::Mode::kEvaluation)
            .features;
    const int64_t support = episode.support.labels.size(0);
    const PrototypeLayer layer = LinearForm(
        Prototypes(features.slice(0, 0, support), episode.support.labels, episode.classes.size(0)));
    return at::linear(features.slice(0, support), layer.weight, layer.bias);
  }

  const char* Algorithm() const override { return "protonet"; }
};

}  // namespace

MethodEntry Protonet() {
  MethodSpec spec = EpisodicSpec({});
  spec.name = "protonet";
  spec.title = "Prototypical networks";
  spec.summary =
      "Trains features on a labelled set of many classes, episode by episode, so that the nearest "
      "class mean of a handful of examples is the class. Cheap and steady; adapt_few_shot sets the "
      "classifier from examples without a gradient.";
  spec.reference = "Snell et al., Prototypical Networks for Few-shot Learning, NIPS (2017)";
  spec.formula = "CE(softmax_k(-|f(x) - c_k|^2), y), c_k = mean of f over the support of class k";
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            auto task = std::make_unique<ProtonetTask>(context);
            if (absl::Status status = task->SetUp(); !status.ok()) return status;
            return task;
          }};
}

}  // namespace acclimate::methods
