#include "core/methods/few_shot/maml_task.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/losses/cross_entropy.h"
#include "core/methods/few_shot/episodic_task.h"
#include "core/methods/few_shot/inner_loop.h"
#include "core/methods/few_shot/linear_head.h"
#include "core/methods/few_shot/prototypes.h"
#include "core/methods/target_statistics.h"

namespace acclimate::methods {
namespace {

// Statistics of the batch, as the MAML paper has it: a query is classified together with the
// others of its episode.
constexpr model::Mode kMode = model::Mode::kBatchStatistics;

class MamlTask : public EpisodicTask {
 public:
  MamlTask(const MethodContext& context, Adapted adapted, LinearHead head)
      : EpisodicTask(context),
        adapted_(adapted),
        head_(std::move(head)),
        prototypes_(context.settings.Text("head") == kFewShotPrototypes),
        inner_{context.settings.Integer("inner_steps"),
               context.settings.Real("inner_learning_rate"), context.settings.Flag("second_order")},
        adaptation_steps_(context.settings.Integer("adaptation_steps")) {
    train::ParameterGroup group;
    for (const model::Parameter& parameter : model_.parameters()) {
      parameters_[parameter.name] = parameter.tensor;
      if (prototypes_ && parameter.head) continue;  // made anew for every episode
      group.parameters.push_back({parameter.name, parameter.tensor});
    }
    plan_.groups = {std::move(group)};
  }

  absl::Status BeginEpoch(int64_t epoch, train::StopSignal& stop) override {
    if (epoch == 0 && !prototypes_ && model_.metadata().count(kFewShotAlgorithm) == 0) {
      const at::NoGradGuard no_grad;
      for (const auto& [name, tensor] : head_.Parameters()) tensor.zero_();
    }
    return EpisodicTask::BeginEpoch(epoch, stop);
  }

  absl::Status Finish(train::StopSignal& stop) override {
    absl::Status status = RecomputeStatistics(model_, target_, device_, stop);
    if (!status.ok()) return status;
    return EpisodicTask::Finish(stop);
  }

 protected:
  at::Tensor QueryLogits(const data::Episode& episode, EpisodeUse use) override {
    InnerLoop inner = inner_;
    if (use == EpisodeUse::kEvaluation) inner = {adaptation_steps_, inner_.learning_rate, false};
    return adapted_ == Adapted::kEverything ? AdaptEverything(episode, inner)
                                            : AdaptHead(episode, inner);
  }

  std::map<std::string, std::string> Notes() const override {
    return {{kFewShotHead, prototypes_ ? kFewShotPrototypes : kFewShotLearnt},
            {kFewShotInnerSteps, absl::StrCat(adaptation_steps_)},
            {kFewShotInnerLearningRate, absl::StrCat(inner_.learning_rate)}};
  }

  const char* Algorithm() const override {
    return adapted_ == Adapted::kEverything ? "maml" : "anil";
  }

 private:
  // The classifier that the inner loop starts from; features: of the support.
  ParameterMap HeadStart(const at::Tensor& features, const data::Episode& episode) const {
    if (!prototypes_) return head_.Parameters();
    const PrototypeLayer layer =
        LinearForm(Prototypes(features, episode.support.labels, episode.classes.size(0)));
    return head_.Named(layer.weight, layer.bias);
  }

  // The prototypes are made of the parameters, and the loop moves aliases of these: its own
  // gradients do not run through the prototypes, the outer one does.
  ParameterMap Start(const data::Episode& episode) const {
    if (!prototypes_) return parameters_;
    ParameterMap start = HeadStart(model_.Forward(episode.support.inputs, kMode).features, episode);
    for (const auto& [name, tensor] : parameters_) start.emplace(name, tensor.view_as(tensor));
    return start;
  }

  at::Tensor AdaptEverything(const data::Episode& episode, const InnerLoop& inner) {
    const auto loss = [&](const ParameterMap& parameters) {
      const at::Tensor logits =
          model_.ForwardWith(parameters, episode.support.inputs, kMode).logits;
      return losses::CrossEntropy(logits, episode.support.labels);
    };
    const ParameterMap fast = Adapt(Start(episode), loss, inner);
    return model_.ForwardWith(fast, episode.query.inputs, kMode).logits;
  }

  // The features do not move within an episode: one forward pass serves every step.
  at::Tensor AdaptHead(const data::Episode& episode, const InnerLoop& inner) {
    const at::Tensor support = model_.Forward(episode.support.inputs, kMode).features;
    const at::Tensor query = model_.Forward(episode.query.inputs, kMode).features;
    const auto loss = [&](const ParameterMap& parameters) {
      return losses::CrossEntropy(head_.Logits(support, parameters), episode.support.labels);
    };
    return head_.Logits(query, Adapt(HeadStart(support, episode), loss, inner));
  }

  const Adapted adapted_;
  const LinearHead head_;
  const bool prototypes_;
  const InnerLoop inner_;
  const int64_t adaptation_steps_;
  ParameterMap parameters_;  // the model's own
};

}  // namespace

absl::StatusOr<std::unique_ptr<train::Task>> MakeMamlTask(const MethodContext& context,
                                                          Adapted adapted) {
  const int64_t ways = context.settings.Integer("ways");
  if (context.model.num_classes() != ways) {
    return absl::InvalidArgumentError(
        absl::StrCat("hyperparameters.ways: must be the classes of the model, ",
                     context.model.num_classes(), "; is ", ways));
  }
  absl::StatusOr<LinearHead> head = context.settings.Text("head") == kFewShotPrototypes
                                        ? HeadForPrototypes(context.model)
                                        : LinearHead::Of(context.model);
  if (!head.ok()) return head.status();
  auto task = std::make_unique<MamlTask>(context, adapted, *std::move(head));
  if (absl::Status status = task->SetUp(); !status.ok()) return status;
  return task;
}

MethodSpec MamlSpec() {
  MethodSpec spec = EpisodicSpec({});
  const InnerLoop defaults;
  spec.hyperparameters = Concatenated(
      std::move(spec.hyperparameters),
      {IntegerSetting("inner_steps", "Gradient steps on the support in training", defaults.steps, 1,
                      100),
       PositiveSetting("inner_learning_rate", "Learning rate of those steps",
                       defaults.learning_rate, 100.0),
       FlagSetting("second_order",
                   "Exact gradients through the inner steps; false drops the Hessian (FOMAML)",
                   defaults.second_order),
       ChoiceSetting("head",
                     "What the inner loop starts the classifier from. prototypes: the class means "
                     "of the support (Triantafillou et al., ICLR 2020). learnt: weights of its own",
                     kFewShotPrototypes, {kFewShotPrototypes, kFewShotLearnt}),
       IntegerSetting("adaptation_steps",
                      "Gradient steps on new classes: in the validation, and recorded for "
                      "adapt_few_shot",
                      5, 1, 1000)});
  return spec;
}

}  // namespace acclimate::methods
