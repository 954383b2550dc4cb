// SimCLR: features learned from unlabelled data, as the start of any other method.
#include <ATen/ATen.h>

#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/augment/augmentation.h"
#include "core/losses/nt_xent.h"
#include "core/methods/alignment/perceptron.h"
#include "core/methods/extra_inputs.h"
#include "core/methods/method.h"
#include "core/methods/optimization.h"
#include "core/methods/representation/representation_probe.h"
#include "core/methods/target_statistics.h"
#include "core/train/gradient_cache.h"

namespace acclimate::methods {
namespace {

constexpr char kProbe[] = "probe";  // the input

// Without the architecture's dropout: it hides what two views of a sample have in common.
constexpr model::Mode kMode = model::Mode::kBatchStatistics;

class SimclrTask : public train::Task {
 public:
  SimclrTask(const MethodContext& context, data::Augmentation augmentation,
             const data::Dataset* probe)
      : model_(context.model),
        target_(context.target),
        device_(context.device),
        temperature_(context.settings.Real("temperature")),
        chunk_size_(context.settings.Integer("chunk_size")),
        augmentation_(std::move(augmentation)),
        projection_("projection",
                    {model_.feature_size(), model_.feature_size(),
                     context.settings.Integer("projection_size")},
                    Perceptron::Norm::kNone, device_),
        probe_(probe) {
    // Drawn whether there is a probe or not: it must change nothing.
    const at::Tensor seed = at::randint(std::numeric_limits<int64_t>::max(), {1}, at::kLong);
    if (probe_ != nullptr) {
      probe_order_ = at::randperm(probe_->size(),
                                  at::detail::createCPUGenerator(seed.item<int64_t>()), at::kLong);
    }
    const int64_t batch_size = context.settings.Integer("batch_size");
    SetOptimization(context.settings, plan_);
    plan_.steps_per_epoch = BatchesPerEpoch(context.target.size(), batch_size);
    plan_.total_steps = plan_.steps_per_epoch * context.settings.Integer("epochs");
    plan_.target_batch_size = batch_size;
    ParametersByDepth parameters = SplitByDepth(model_);
    plan_.groups = {{std::move(parameters.backbone), 1.0},
                    {std::move(parameters.last_block), 1.0},
                    {projection_.Parameters(), 1.0}};
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal&) override {
    const at::Tensor inputs = input.target.inputs;
    const at::Tensor projections = train::EncodeInChunks(
        model_, device_, inputs.size(0), chunk_size_, [this, inputs](int64_t begin, int64_t end) {
          return Project(inputs.slice(0, begin, end));
        });
    train::StepOutput output;
    output.loss = losses::NtXent(projections.select(1, 0), projections.select(1, 1), temperature_);
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override {
    absl::Status status = RecomputeStatistics(model_, target_, device_, stop);
    if (!status.ok() || probe_ == nullptr) return status;
    absl::StatusOr<ProbeScores> scores =
        ProbeFeatures(model_, *probe_, probe_order_, device_, stop);
    if (!scores.ok()) return scores.status();
    scores_ = *scores;
    return absl::OkStatus();
  }

  train::TensorMap State() const override { return projection_.State(); }
  absl::Status Restore(const train::TensorMap& state) override {
    return projection_.Restore(state);
  }

  void Report(nlohmann::json& report) const override {
    if (!scores_) return;
    report["representation"] = {{"fitted_samples", scores_->fitted},
                                {"evaluated_samples", scores_->evaluated},
                                {"linear_probe_accuracy", scores_->linear_accuracy},
                                {"nearest_neighbour_accuracy", scores_->neighbour_accuracy}};
  }

  std::map<std::string, double> Metrics() const override {
    if (!scores_) return {};
    return {{"linear_probe_accuracy", scores_->linear_accuracy},
            {"nearest_neighbour_accuracy", scores_->neighbour_accuracy}};
  }

 private:
  // [n, ...] -> [n, 2, P]: the projections of two views of each. Both views in one forward pass:
  // shared batch statistics.
  at::Tensor Project(const at::Tensor& inputs) {
    const at::Tensor views = at::cat({augmentation_.View(inputs), augmentation_.View(inputs)});
    const at::Tensor projected = projection_.Forward(model_.Forward(views, kMode).features);
    return projected.view({2, inputs.size(0), -1}).transpose(0, 1);
  }

  model::Model& model_;
  const data::Dataset& target_;
  const at::Device device_;
  const double temperature_;
  const int64_t chunk_size_;
  const data::Augmentation augmentation_;
  Perceptron projection_;
  const data::Dataset* const probe_;  // null: not given
  at::Tensor probe_order_;
  std::optional<ProbeScores> scores_;
  train::Plan plan_;
};

data::AugmentationOptions AugmentationOf(const Settings& settings) {
  data::AugmentationOptions options;
  options.images.crop = settings.Real("crop");
  options.images.flip = settings.Real("flip");
  options.images.rotation_degrees = settings.Real("rotation_degrees");
  options.images.brightness = settings.Real("brightness");
  options.images.contrast = settings.Real("contrast");
  options.images.saturation = settings.Real("saturation");
  options.images.blur = settings.Real("blur");
  options.images.noise = settings.Real("noise");
  options.series.jitter = settings.Real("jitter");
  options.series.scaling = settings.Real("scaling");
  options.series.masking = settings.Real("masking");
  return options;
}

std::vector<HyperparameterSpec> AugmentationSettings() {
  return {
      RealSetting("crop", "Images: a random crop leaves a share of the area in [1 - crop, 1]", 0.7,
                  0.0, 0.99),
      RealSetting("flip",
                  "Images: probability of the mirror image; not for characters, 0.5 for things",
                  0.0, 0.0, 1.0),
      RealSetting("rotation_degrees", "Images: turned by up to this many degrees either way", 15.0,
                  0.0, 180.0),
      RealSetting("brightness",
                  "Images: shifted by up to this many standard deviations of the image", 1.0, 0.0,
                  10.0),
      RealSetting("contrast", "Images: contrast changed by a factor of up to 1 +- this", 0.8, 0.0,
                  1.0),
      RealSetting("saturation", "RGB images: saturation changed by a factor of up to 1 +- this",
                  0.4, 0.0, 1.0),
      RealSetting("blur", "Images: probability of a Gaussian blur", 0.5, 0.0, 1.0),
      RealSetting("noise",
                  "Images: Gaussian noise of up to this many standard deviations of the image", 1.0,
                  0.0, 10.0),
      RealSetting("jitter",
                  "Vectors and series: noise, in standard deviations of the feature over the data",
                  0.2, 0.0, 10.0),
      RealSetting("scaling",
                  "Vectors and series: standard deviation of a factor about the feature's mean",
                  0.1, 0.0, 10.0),
      RealSetting("masking",
                  "Share of a vector's features set to their mean; longest window of a series that "
                  "is, as a share of its length",
                  0.3, 0.0, 0.99),
  };
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeSimclr(const MethodContext& context) {
  if (context.target.size() < 2) {
    return absl::InvalidArgumentError("target: simclr compares samples and needs at least two");
  }
  absl::StatusOr<data::Augmentation> augmentation =
      data::Augmentation::Create(AugmentationOf(context.settings), context.target, context.device);
  if (!augmentation.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("target: ", augmentation.status().message()));
  }
  const absl::StatusOr<const data::Dataset*> probe = FindModelInput(context, kProbe);
  if (!probe.ok()) return probe.status();
  if (*probe != nullptr && (*probe)->size() < 2) {
    return absl::InvalidArgumentError("inputs[\"probe\"]: needs at least two samples");
  }
  return std::make_unique<SimclrTask>(context, *std::move(augmentation), *probe);
}

}  // namespace

MethodEntry Simclr() {
  MethodSpec spec;
  spec.name = "simclr";
  spec.title = "Contrastive pre-training (SimCLR)";
  spec.summary =
      "Learns features from unlabelled data alone, by telling two random views of a sample from "
      "those of all others. The classifier layer is left as it is: the result is the start of "
      "another method, for example finetune with few labels.";
  spec.reference =
      "Chen et al., A Simple Framework for Contrastive Learning, ICML (2020); gradient caching: "
      "Gao et al., RepL4NLP (2021)";
  spec.formula =
      "mean over 2N views i of -log(exp(s_ij / tau) / sum_{k != i} exp(s_ik / tau)), s the cosine "
      "of projected features, j the other view of the same sample";
  spec.checkpoint = DataNeed::kOptional;
  spec.inputs = {{kProbe, InputSpec::Kind::kLabelledDataset, DataNeed::kOptional,
                  "Labelled samples to judge the features by, only for the report: a linear probe "
                  "and nearest neighbours are fitted on one half and counted on the other"}};
  OptimizationDefaults defaults;
  defaults.optimizer = "adam";
  defaults.learning_rate = 1e-3;
  defaults.weight_decay = 1e-6;
  defaults.schedule = "constant";
  defaults.batch_size = 512;
  spec.hyperparameters = Concatenated(
      Concatenated(
          OptimizationSettings(defaults),
          {IntegerSetting("epochs", "Passes over the target data", 60, 1, 100000),
           PositiveSetting("temperature", "Temperature tau of the similarities", 0.5, 100.0),
           IntegerSetting("projection_size", "Values of a projected sample", 128, 2, 8192),
           IntegerSetting("chunk_size",
                          "Samples encoded at once; larger batches take the memory of a chunk and "
                          "twice the forward passes, with the loss of the whole batch",
                          512, 2, 65536)}),
      AugmentationSettings());
  return {spec, &MakeSimclr};
}

}  // namespace acclimate::methods
