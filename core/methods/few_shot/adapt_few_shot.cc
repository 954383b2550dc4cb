// New classes from a handful of examples: the inner loop of meta-learning, once and for good.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/losses/cross_entropy.h"
#include "core/methods/few_shot/episodic_task.h"
#include "core/methods/few_shot/linear_head.h"
#include "core/methods/few_shot/prototypes.h"
#include "core/methods/method.h"
#include "core/methods/target_statistics.h"
#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

constexpr char kUnlabelled[] = "unlabelled";
constexpr int64_t kMaxExamples = 2000;   // they are one batch; with more, finetune is the method
constexpr int64_t kUnrecordedSteps = 5;  // of a model that was not meta-trained
constexpr double kUnrecordedLearningRate = 0.01;

struct Recipe {
  std::string algorithm;    // maml, anil, protonet
  bool prototypes = false;  // the classifier starts, or for protonet ends, as the class means
  int64_t steps = kUnrecordedSteps;
  double learning_rate = kUnrecordedLearningRate;
};

// What the settings say, else what the model's metadata say.
Recipe ChooseRecipe(const MethodContext& context) {
  const std::map<std::string, std::string>& notes = context.model.metadata();
  const auto note = [&](const char* key) {
    const auto found = notes.find(key);
    return found == notes.end() ? std::string() : found->second;
  };
  Recipe recipe;
  recipe.algorithm = context.settings.Text("algorithm");
  if (recipe.algorithm == "auto") recipe.algorithm = note(kFewShotAlgorithm);
  if (recipe.algorithm.empty()) recipe.algorithm = "maml";
  recipe.prototypes = recipe.algorithm == "protonet" || note(kFewShotHead) == kFewShotPrototypes;
  int64_t recorded_steps;
  double recorded_rate;
  if (absl::SimpleAtoi(note(kFewShotInnerSteps), &recorded_steps) && recorded_steps > 0) {
    recipe.steps = recorded_steps;
  }
  if (absl::SimpleAtod(note(kFewShotInnerLearningRate), &recorded_rate) && recorded_rate > 0) {
    recipe.learning_rate = recorded_rate;
  }
  if (const int64_t steps = context.settings.Integer("steps"); steps > 0) recipe.steps = steps;
  if (const double rate = context.settings.Real("learning_rate"); rate > 0) {
    recipe.learning_rate = rate;
  }
  return recipe;
}

class FewShotTask : public train::Task {
 public:
  const train::Plan& plan() const override { return plan_; }

  void Report(nlohmann::json& report) const override {
    report["few_shot"] = {{"algorithm", recipe_.algorithm}, {"examples", target_.size()}};
    if (recipe_.algorithm == "protonet") return;
    report["few_shot"]["head"] = recipe_.prototypes ? kFewShotPrototypes : kFewShotLearnt;
    report["few_shot"]["steps"] = recipe_.steps;
    report["few_shot"]["learning_rate"] = recipe_.learning_rate;
  }

 protected:
  FewShotTask(const MethodContext& context, Recipe recipe)
      : model_(context.model),
        target_(context.target),
        device_(context.device),
        recipe_(std::move(recipe)) {}

  // features: of all examples, in order.
  void SetPrototypes(const at::Tensor& features, const LinearHead& head) const {
    const PrototypeLayer layer =
        LinearForm(Prototypes(features, target_.labels().to(device_), model_.num_classes()));
    head.weight().copy_(layer.weight.view_as(head.weight()));
    head.bias().copy_(layer.bias);
  }

  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const Recipe recipe_;
  train::Plan plan_;
};

// Plain gradient steps on all examples at once.
class GradientStepsTask : public FewShotTask {
 public:
  // head: where the recipe has prototypes.
  GradientStepsTask(const MethodContext& context, Recipe recipe, absl::optional<LinearHead> head)
      : FewShotTask(context, std::move(recipe)),
        head_(std::move(head)),
        statistics_(&context.target) {
    const auto unlabelled = context.inputs.datasets.find(kUnlabelled);
    if (unlabelled != context.inputs.datasets.end()) statistics_ = &unlabelled->second;
    plan_.total_steps = recipe_.steps;
    plan_.steps_per_epoch = recipe_.steps;
    plan_.optimizer.learning_rate = recipe_.learning_rate;
    plan_.optimizer.momentum = 0;
    plan_.optimizer.nesterov = false;
    train::ParameterGroup group;
    for (const model::Parameter& parameter : model_.parameters()) {
      if (parameter.head || recipe_.algorithm == "maml") {
        group.parameters.push_back({parameter.name, parameter.tensor});
      }
    }
    plan_.groups = {std::move(group)};
  }

  absl::Status BeginEpoch(int64_t, train::StopSignal&) override {
    if (!head_) return absl::OkStatus();
    const at::NoGradGuard no_grad;
    const data::Batch examples = target_.Slice(0, target_.size(), device_);
    SetPrototypes(model_.Forward(examples.inputs, model::Mode::kBatchStatistics).features, *head_);
    return absl::OkStatus();
  }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput&, train::StopSignal&) override {
    const data::Batch examples = target_.Slice(0, target_.size(), device_);
    const at::Tensor logits = model_.Forward(examples.inputs, model::Mode::kBatchStatistics).logits;
    train::StepOutput output;
    output.loss = losses::CrossEntropy(logits, examples.labels);
    output.samples = target_.size();
    return output;
  }

  // The steps were made under the statistics of the batch; a model that stands alone stores them.
  absl::Status Finish(train::StopSignal& stop) override {
    return RecomputeStatistics(model_, *statistics_, device_, stop);
  }

 private:
  const absl::optional<LinearHead> head_;
  const data::Dataset* statistics_;
};

// Sets the classifier from the class means.
class PrototypesTask : public FewShotTask {
 public:
  PrototypesTask(const MethodContext& context, Recipe recipe, LinearHead head)
      : FewShotTask(context, std::move(recipe)), head_(std::move(head)) {
    plan_.total_steps = 1;
  }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput&,
                                         train::StopSignal& stop) override {
    std::vector<at::Tensor> features;
    absl::Status status =
        train::ForEachBatch(target_, device_, stop, [&](int64_t, const data::Batch& batch) {
          features.push_back(model_.Forward(batch.inputs, model::Mode::kEvaluation).features);
        });
    if (!status.ok()) return status;
    const at::NoGradGuard no_grad;
    SetPrototypes(at::cat(features), head_);
    train::StepOutput output;
    output.samples = target_.size();
    return output;
  }

 private:
  const LinearHead head_;
};

absl::Status CheckEveryClass(const MethodContext& context) {
  const at::Tensor counts =
      context.target.labels().bincount(/*weights=*/{}, context.model.num_classes());
  if (counts.min().item<int64_t>() == 0) {
    return absl::InvalidArgumentError(absl::StrCat("target: no example of class ",
                                                   counts.argmin().item<int64_t>(),
                                                   "; prototypes need one of each"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeTaskOfRecipe(const MethodContext& context) {
  if (context.target.size() > kMaxExamples) {
    return absl::InvalidArgumentError(absl::StrCat("target: ", context.target.size(),
                                                   " examples; with more than ", kMaxExamples,
                                                   " finetune is the method"));
  }
  Recipe recipe = ChooseRecipe(context);
  if (!recipe.prototypes) {
    return std::make_unique<GradientStepsTask>(context, std::move(recipe), absl::nullopt);
  }
  if (absl::Status status = CheckEveryClass(context); !status.ok()) return status;
  absl::StatusOr<LinearHead> head = HeadForPrototypes(context.model);
  if (!head.ok()) return head.status();
  if (recipe.algorithm == "protonet") {
    return std::make_unique<PrototypesTask>(context, std::move(recipe), *std::move(head));
  }
  return std::make_unique<GradientStepsTask>(context, std::move(recipe), *std::move(head));
}

}  // namespace

MethodEntry AdaptFewShot() {
  MethodSpec spec;
  spec.name = "adapt_few_shot";
  spec.title = "Adaptation to new classes from a few examples";
  spec.summary =
      "Takes a model trained by maml, anil or protonet and a few labelled examples of each new "
      "class; returns the model after the handful of steps it was trained for.";
  spec.reference = "Finn et al., ICML (2017); Raghu et al., ICLR (2020); Snell et al., NIPS (2017)";
  spec.formula =
      "maml, anil: theta <- theta - a grad CE on all examples, of everything or of the classifier; "
      "protonet: weight_k = 2 c_k, bias_k = -|c_k|^2, c_k the mean feature of class k";
  spec.target_labels = DataNeed::kRequired;
  spec.full_precision = true;
  spec.inputs = {{kUnlabelled, InputSpec::Kind::kDataset, DataNeed::kOptional,
                  "Samples without labels as they will come: batch-norm statistics are taken from "
                  "them instead of from the few examples"}};
  spec.hyperparameters = {
      ChoiceSetting("algorithm", "auto: as the model was trained", "auto",
                    {"auto", "maml", "anil", "protonet"}),
      IntegerSetting("steps", "Gradient steps; 0: as the model was trained for", 0, 0, 10000),
      RealSetting("learning_rate", "Of those steps; 0: as the model was trained for", 0.0, 0.0,
                  100.0)};
  return {spec, &MakeTaskOfRecipe};
}

}  // namespace acclimate::methods
