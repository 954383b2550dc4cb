// A classical model for tables teaches the user's network.
#include "core/methods/teaching/table_teacher.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/methods/teaching/student.h"
#include "core/methods/teaching/table_model.h"
#include "core/selection/predictions.h"

namespace acclimate::methods {
namespace {

constexpr char kTableTeacher[] = "table_teacher";

StudentOptions StudentOfTables() {
  StudentOptions options;
  options.steps = 300;
  return options;
}

absl::StatusOr<std::unique_ptr<train::Task>> MakeTableTeacher(const MethodContext& context) {
  if (absl::Status status = CheckTableTeacher(context); !status.ok()) return status;
  const TableTeacherOptions options = {context.settings.Integer("neighbors")};
  return MakeStudent(
      context,
      [context, options](train::StopSignal& stop) -> absl::StatusOr<Teaching> {
        absl::StatusOr<ClassicalPredictions> predictions =
            TableTeacherPredictions(context, options, stop);
        if (!predictions.ok()) return predictions.status();
        return Teaching{predictions->target, HeldOutAccuracy(*predictions, context),
                        /*other_kind=*/true};
      },
      StudentOptionsOf(context.settings, StudentOfTables()));
}

}  // namespace

absl::Status CheckTableTeacher(const MethodContext& context) {
  constexpr int64_t kMostWeights = 10000;  // some seconds on one core; twice as many took minutes
  if (absl::Status status = CheckVectors(context, kTableTeacher); !status.ok()) return status;
  const int64_t weights = context.target.sample_shape()[0] * context.model.num_classes();
  if (weights <= kMostWeights) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("target: values of a sample times classes of the model are ", weights, ", ",
                   kTableTeacher, " takes at most ", kMostWeights));
}

absl::StatusOr<ClassicalPredictions> TableTeacherPredictions(const MethodContext& context,
                                                             const TableTeacherOptions& options,
                                                             train::StopSignal& stop) {
  constexpr int64_t kMostValues = 20000000;  // of the samples that are fitted: 160 MB
  constexpr int64_t kMostTogether = 20000;   // whose neighbours are looked for among each other
  const int64_t most = std::min(SamplesOf(kMostValues, context), kMostTogether);
  std::vector<data::Batch> domains;
  std::vector<TableScale> scales;
  for (const data::Dataset& source : selection::SampleEach(context.sources, most, context.seed)) {
    domains.push_back({source.stored_inputs(), source.labels()});
    scales.emplace_back(domains.back().inputs);
  }
  const auto fit = [&] {
    return TableModel::Fit(domains, scales, context.model.num_classes(), stop);
  };
  absl::StatusOr<TableModel> model = fit();
  if (!model.ok()) return model.status();
  ClassicalPredictions predictions;
  if (!context.held_out.empty()) {
    // Where a source is too small to hold out samples, nothing tells which source these are of.
    const bool known = context.held_out.size() == scales.size();
    std::vector<at::Tensor> rows;
    for (size_t i = 0; i < context.held_out.size(); ++i) {
      const at::Tensor samples = context.held_out[i].stored_inputs();
      rows.push_back(model->Probabilities(samples, known ? scales[i] : TableScale(samples)));
      if (!known) continue;
      domains[i].inputs = at::cat({domains[i].inputs, samples});
      domains[i].labels = at::cat({domains[i].labels, context.held_out[i].labels()});
    }
    predictions.held_out = at::cat(rows).to(at::kFloat);
    if (known) model = fit();
    if (!model.ok()) return model.status();
  }
  const TableScale scale(StoredSample(context.target, most, context.seed));
  absl::StatusOr<at::Tensor> target =
      PredictInParts(context.target, most, context.seed, stop, [&](const at::Tensor& samples) {
        return options.neighbors > 0
                   ? model->AdjustedProbabilities(samples, scale, options.neighbors)
                   : model->Probabilities(samples, scale);
      });
  if (!target.ok()) return target.status();
  predictions.target = *std::move(target);
  return predictions;
}

MethodEntry TableTeacher() {
  MethodSpec spec;
  spec.name = kTableTeacher;
  spec.title = "A network taught by a classical model for tables";
  spec.summary =
      "Fits logistic regression to vectors that each domain standardises by itself, draws the "
      "target's predictions together with their neighbours', and teaches them to the network. For "
      "measurements and other tables, where networks that align domains often lose to it.";
  spec.reference = "Boudiaf et al., Parameter-free Online Test-time Adaptation (LAME), CVPR (2022)";
  spec.formula =
      "CE(source) + KL(t || p); t = LAME(mean of softmaxes of logistic regression on T1, T2 at C = "
      "0.01, 0.1, 1), T1 = x, T2 = sign(x) log(1 + |x|), standardised by domain";
  spec.source = DataNeed::kRequired;
  spec.needs_vectors = true;
  spec.selects_weights = true;
  spec.hyperparameters = Concatenated(
      StudentSettings(StudentOfTables()),
      {IntegerSetting("neighbors",
                      "Neighbours that the teacher's prediction for a sample is drawn to; 0: none",
                      TableTeacherOptions().neighbors, 0, 1000)});
  return {spec, &MakeTableTeacher};
}

}  // namespace acclimate::methods
