// A classical model for texts teaches the user's network.
#include "core/methods/teaching/text_teacher.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/dataset.h"
#include "core/methods/teaching/marginalized_autoencoder.h"
#include "core/methods/teaching/student.h"
#include "core/selection/predictions.h"
#include "core/shift/linear_classifier.h"

namespace acclimate::methods {
namespace {

constexpr char kTextTeacher[] = "text_teacher";
static_assert(kMostVectorValues <= MarginalizedAutoencoder::kMostColumns);

// 1 where a word is in the text.
at::Tensor Present(const at::Tensor& counts) { return counts.gt(0).to(at::kFloat); }

at::Tensor PresentIn(const std::vector<data::Dataset>& datasets) {
  std::vector<at::Tensor> rows;
  for (const data::Dataset& dataset : datasets) rows.push_back(Present(dataset.stored_inputs()));
  return at::cat(rows);
}

absl::Status CheckCounts(const data::Dataset& dataset, const std::string& field, uint64_t seed) {
  constexpr int64_t kLookedAt = 2000;
  const double least = StoredSample(dataset, kLookedAt, seed).min().item<double>();
  if (least >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": has a value ", least, ", ", kTextTeacher, " takes counts of words"));
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeTextTeacher(const MethodContext& context) {
  if (absl::Status status = CheckTextTeacher(context); !status.ok()) return status;
  TextTeacherOptions options;
  options.layers = context.settings.Integer("layers");
  options.corruption = context.settings.Real("corruption");
  options.inverse_penalty = context.settings.Real("inverse_penalty");
  StudentOptions student = StudentOptionsOf(context.settings, StudentOfTexts());
  student.corruption = options.corruption;
  return MakeStudent(
      context,
      [context, options](train::StopSignal& stop) -> absl::StatusOr<Teaching> {
        absl::StatusOr<ClassicalPredictions> predictions =
            TextTeacherPredictions(context, options, stop);
        if (!predictions.ok()) return predictions.status();
        return Teaching{predictions->target, HeldOutAccuracy(*predictions, context),
                        /*other_kind=*/true};
      },
      student);
}

}  // namespace

StudentOptions StudentOfTexts() {
  StudentOptions options;
  options.steps = 600;
  options.optimizer.learning_rate = 0.05;
  options.augment = "none";
  options.corruption = TextTeacherOptions().corruption;
  return options;
}

absl::Status CheckTextTeacher(const MethodContext& context) {
  absl::Status status = CheckVectors(context, kTextTeacher);
  if (status.ok()) status = CheckCounts(context.target, "target", context.seed);
  for (size_t i = 0; status.ok() && i < context.sources.size(); ++i) {
    status = CheckCounts(context.sources[i], absl::StrCat("sources[", i, "]"), context.seed);
  }
  return status;
}

absl::StatusOr<ClassicalPredictions> TextTeacherPredictions(const MethodContext& context,
                                                            const TextTeacherOptions& options,
                                                            train::StopSignal& stop) {
  constexpr int64_t kMostValues = 20000000;  // of a domain's samples that are fitted: 80 MB
  constexpr int64_t kRowsAtOnce = 1000;
  const int64_t most = SamplesOf(kMostValues, context);
  const std::vector<data::Dataset> sources =
      selection::SampleEach(context.sources, most, context.seed);
  const at::Tensor source = PresentIn(sources);
  const at::Tensor target = Present(StoredSample(context.target, most, context.seed));
  std::vector<at::Tensor> texts = {source, target};
  if (!context.held_out.empty()) texts.push_back(PresentIn(context.held_out));
  const absl::StatusOr<MarginalizedAutoencoder> autoencoder =
      MarginalizedAutoencoder::Fit(at::cat(texts), options.layers, options.corruption, stop);
  if (!autoencoder.ok()) return autoencoder.status();
  const at::NoGradGuard no_grad;
  const auto fit = [&](const at::Tensor& features, const at::Tensor& labels) {
    return shift::FitLogisticClassifier(features, labels, context.model.num_classes(),
                                        options.inverse_penalty);
  };
  at::Tensor features = autoencoder->Features(source), labels = LabelsOf(sources);
  ClassicalPredictions predictions;
  if (!context.held_out.empty()) {
    const at::Tensor held_out = autoencoder->Features(texts.back());
    predictions.held_out = fit(features, labels).Logits(held_out).softmax(1);
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    features = at::cat({features, held_out});
    labels = at::cat({labels, LabelsOf(context.held_out)});
  }
  const shift::LinearClassifier classifier = fit(features, labels);
  absl::StatusOr<at::Tensor> predicted = PredictInParts(
      context.target, kRowsAtOnce, context.seed, stop, [&](const at::Tensor& counts) {
        return classifier.Logits(autoencoder->Features(Present(counts))).softmax(1);
      });
  if (!predicted.ok()) return predicted.status();
  predictions.target = *std::move(predicted);
  return predictions;
}

MethodEntry TextTeacher() {
  MethodSpec spec;
  spec.name = kTextTeacher;
  spec.title = "A network taught by a classical model for texts (mSDA)";
  spec.summary =
      "Learns features of word counts from the texts of both domains in closed form, fits logistic "
      "regression to those of the source, and teaches its predictions to the network.";
  spec.reference =
      "Chen et al., Marginalized Denoising Autoencoders for Domain Adaptation (mSDA), ICML (2012)";
  spec.formula =
      "CE(source) + KL(t || p); t = logistic regression on [X, H1, H2, ...] / length, H = tanh(X "
      "W'), W = argmin E |X - X~ W'|^2 with values of X~ set to 0 with probability `corruption`";
  spec.source = DataNeed::kRequired;
  spec.needs_vectors = true;
  spec.needs_counts = true;
  spec.selects_weights = true;
  const TextTeacherOptions options;
  spec.hyperparameters = Concatenated(
      StudentSettings(StudentOfTexts()),
      {IntegerSetting("layers", "Layers of the autoencoder", options.layers, 1, 10),
       RealSetting("corruption",
                   "Probability that a value is set to 0, for the autoencoder and for the network",
                   options.corruption, 0.01, 0.99),
       PositiveSetting("inverse_penalty", "C of the logistic regression: its inverse L2 penalty",
                       options.inverse_penalty, 1e6)});
  return {spec, &MakeTextTeacher};
}

}  // namespace acclimate::methods
