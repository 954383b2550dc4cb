#include "core/methods/few_shot/episodic_task.h"

#include <ATen/ATen.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "core/losses/cross_entropy.h"
#include "core/methods/optimization.h"
#include "core/methods/perturbations.h"
#include "core/train/gradients.h"

namespace acclimate::methods {
namespace {

constexpr char kValidation[] = "validation";
constexpr char kBefore[] = "few_shot_before";  // [mean, half width]
// The same episodes before and after, whatever the run's seed.
constexpr uint64_t kValidationSeed = 20;
constexpr double kNormal95 = 1.96;  // two-sided quantile

double Accuracy(const at::Tensor& logits, const at::Tensor& labels) {
  return logits.argmax(1).eq(labels).to(at::kDouble).mean().item<double>();
}

EpisodeAccuracy Summarize(const std::vector<double>& accuracies) {
  const double count = static_cast<double>(accuracies.size());
  EpisodeAccuracy summary;
  for (const double accuracy : accuracies) summary.mean += accuracy / count;
  double squares = 0;
  for (const double accuracy : accuracies) squares += std::pow(accuracy - summary.mean, 2);
  summary.half_width = kNormal95 * std::sqrt(squares / std::max(count - 1, 1.0) / count);
  return summary;
}

nlohmann::json ToJson(const EpisodeAccuracy& accuracy) {
  return {{"accuracy", accuracy.mean}, {"half_width_95", accuracy.half_width}};
}

data::EpisodeShape ReadShape(const Settings& settings) {
  return {settings.Integer("ways"), settings.Integer("shots"), settings.Integer("queries")};
}

bool SquareImages(const data::Dataset& dataset) {
  const std::vector<int64_t> shape = dataset.sample_shape();
  return Images(dataset) && shape[1] == shape[2];
}

// A masked feature may be the one by which an episode's few samples are told apart.
HyperparameterSpec AugmentImagesSetting() {
  HyperparameterSpec setting = AugmentSetting();
  setting.description =
      "Images: how each sample of a training episode is changed at random, as in finetune; other "
      "samples stay as they are";
  return setting;
}

const data::Dataset* FindValidation(const ExtraInputs& inputs) {
  const auto found = inputs.datasets.find(kValidation);
  return found == inputs.datasets.end() ? nullptr : &found->second;
}

}  // namespace

EpisodicTask::EpisodicTask(const MethodContext& context)
    : model_(context.model),
      target_(context.target),
      device_(context.device),
      shape_(ReadShape(context.settings)),
      rotations_(context.settings.Flag("rotations")),
      views_(Images(context.target) ? ChooseViews(context).view : nullptr),
      meta_batch_(context.settings.Integer("meta_batch")),
      validation_episodes_(context.settings.Integer("validation_episodes")),
      validation_data_(FindValidation(context.inputs)) {
  plan_.optimizer.kind = train::OptimizerOptions::Kind::kAdam;
  plan_.optimizer.learning_rate = context.settings.Real("learning_rate");
  plan_.schedule = train::Schedule::kInverseDecay;
  plan_.total_steps = context.settings.Integer("steps");
  const int64_t samples = meta_batch_ * shape_.ways * (shape_.shots + shape_.queries);
  plan_.steps_per_epoch = BatchesPerEpoch(target_.size(), samples);
}

absl::Status EpisodicTask::SetUp() {
  data::EpisodeShape shape = shape_;
  shape.rotations = rotations_ && SquareImages(target_);
  absl::StatusOr<data::EpisodeSampler> episodes = data::EpisodeSampler::Create(target_, shape);
  if (!episodes.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("target: ", episodes.status().message()));
  }
  episodes_ = *std::move(episodes);
  if (validation_data_ == nullptr) return absl::OkStatus();
  absl::StatusOr<data::EpisodeSampler> validation =
      data::EpisodeSampler::Create(*validation_data_, shape_);
  if (!validation.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("inputs[\"", kValidation, "\"]: ", validation.status().message()));
  }
  validation_ = *std::move(validation);
  return absl::OkStatus();
}

absl::StatusOr<EpisodeAccuracy> EpisodicTask::Validate(train::StopSignal& stop) {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(kValidationSeed);
  std::vector<double> accuracies;
  for (int64_t i = 0; i < validation_episodes_; ++i) {
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    const data::Episode episode = validation_->Next(device_, generator);
    accuracies.push_back(
        Accuracy(QueryLogits(episode, EpisodeUse::kEvaluation), episode.query.labels));
  }
  return Summarize(accuracies);
}

absl::Status EpisodicTask::BeginEpoch(int64_t epoch, train::StopSignal& stop) {
  if (epoch > 0 || !validation_) return absl::OkStatus();
  absl::StatusOr<EpisodeAccuracy> accuracy = Validate(stop);
  if (accuracy.ok()) before_ = *accuracy;
  return accuracy.status();
}

absl::StatusOr<train::StepOutput> EpisodicTask::Step(const train::StepInput&, train::StopSignal&) {
  std::vector<at::Tensor> parameters;
  for (const train::ParameterGroup& group : plan_.groups) {
    for (const train::NamedParameter& parameter : group.parameters) {
      parameters.push_back(parameter.tensor);
    }
  }
  std::vector<at::Tensor> gradients(parameters.size());
  const double share = 1.0 / static_cast<double>(meta_batch_);
  at::Tensor mean_loss = at::zeros({}, device_);
  double accuracy = 0;
  for (int64_t i = 0; i < meta_batch_; ++i) {
    data::Episode episode = episodes_->Next(device_);
    if (views_) {
      episode.support.inputs = views_(episode.support.inputs);
      episode.query.inputs = views_(episode.query.inputs);
    }
    const at::Tensor logits = QueryLogits(episode, EpisodeUse::kTraining);
    const at::Tensor loss = losses::CrossEntropy(logits, episode.query.labels) * share;
    const std::vector<at::Tensor> of_episode = train::Gradients(loss, parameters);
    for (size_t p = 0; p < parameters.size(); ++p) {
      if (!of_episode[p].defined()) continue;
      gradients[p] = gradients[p].defined() ? gradients[p] + of_episode[p] : of_episode[p];
    }
    mean_loss += loss.detach();
    accuracy += share * Accuracy(logits, episode.query.labels);
  }
  // Has the value of the mean loss and its gradient, without the graphs of the episodes.
  train::StepOutput output;
  output.loss = mean_loss;
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (!gradients[p].defined()) continue;
    output.loss = output.loss + (gradients[p] * (parameters[p] - parameters[p].detach())).sum();
  }
  output.values["episode_accuracy"] = accuracy;
  output.samples = meta_batch_ * shape_.ways * (shape_.shots + shape_.queries);
  return output;
}

absl::Status EpisodicTask::Finish(train::StopSignal& stop) {
  if (validation_) {
    absl::StatusOr<EpisodeAccuracy> accuracy = Validate(stop);
    if (!accuracy.ok()) return accuracy.status();
    after_ = *accuracy;
  }
  model_.metadata()[kFewShotAlgorithm] = Algorithm();
  for (const auto& [key, value] : Notes()) model_.metadata()[key] = value;
  return absl::OkStatus();
}

train::TensorMap EpisodicTask::State() const {
  if (!before_) return {};
  return {{kBefore, at::tensor({before_->mean, before_->half_width}, at::kDouble)}};
}

absl::Status EpisodicTask::Restore(const train::TensorMap& state) {
  const auto found = state.find(kBefore);
  if (found == state.end()) return absl::OkStatus();
  if (found->second.numel() != 2) {
    return absl::InvalidArgumentError("training state: no fitting accuracy of episodes");
  }
  before_ = {found->second[0].item<double>(), found->second[1].item<double>()};
  return absl::OkStatus();
}

void EpisodicTask::Report(nlohmann::json& report) const {
  nlohmann::json& few_shot = report["few_shot"];
  few_shot = {{"ways", shape_.ways}, {"shots", shape_.shots}, {"queries", shape_.queries}};
  if (!before_ || !after_) return;
  few_shot["validation_episodes"] = validation_episodes_;
  few_shot["before"] = ToJson(*before_);
  few_shot["after"] = ToJson(*after_);
}

std::map<std::string, double> EpisodicTask::Metrics() const {
  if (!before_ || !after_) return {};
  return {{"few_shot_accuracy_before", before_->mean},
          {"few_shot_accuracy", after_->mean},
          {"few_shot_half_width_95", after_->half_width}};
}

MethodSpec EpisodicSpec(const EpisodicDefaults& defaults) {
  MethodSpec spec;
  spec.checkpoint = DataNeed::kOptional;
  spec.target_labels = DataNeed::kRequired;
  spec.labels_are_classes = false;
  spec.inputs = {{kValidation, InputSpec::Kind::kLabelledDataset, DataNeed::kOptional,
                  "Samples of classes that the target does not have: few-shot accuracy on them is "
                  "reported, before and after"}};
  spec.hyperparameters = {
      IntegerSetting("ways", "Classes of an episode", defaults.ways, 2, 1000),
      IntegerSetting("shots", "Labelled samples of each class of an episode", defaults.shots, 1,
                     1000),
      IntegerSetting("queries", "Further samples of each class, to be told apart", defaults.queries,
                     1, 1000),
      IntegerSetting("meta_batch", "Episodes in a step", defaults.meta_batch, 1, 1000),
      IntegerSetting("steps", "Training steps", defaults.steps, 1, 100000000),
      PositiveSetting("learning_rate", "Initial learning rate of Adam", defaults.learning_rate,
                      100.0),
      FlagSetting("rotations",
                  "Square images: a class turned by 90, 180 and 270 degrees is a class of its own",
                  true),
      AugmentImagesSetting(),
      IntegerSetting("validation_episodes", "Episodes of the validation classes", 400, 1, 100000)};
  return spec;
}

}  // namespace acclimate::methods
