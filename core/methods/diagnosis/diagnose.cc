// The evaluation matrix and its verdict: how source and target differ, and what to do about it.
#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/methods/diagnosis/diagnosis.h"
#include "core/methods/diagnosis/shift_offers.h"
#include "core/methods/domain_passes.h"
#include "core/methods/method.h"
#include "core/shift/domain_classifier.h"
#include "core/shift/mmd_test.h"

namespace acclimate::methods {
namespace {

constexpr char kProbe[] = "probe";
constexpr char kMatrix[] = "matrix";
constexpr int kMostCandidates = 4;

// Beside inputs and logits: enough to see where in the network a shift begins.
constexpr size_t kMostPlaces = 8;

enum Stream : uint64_t {
  kPlaces = 100,  // and one for each place
  kResidual = 200,
  kSourceDistances = 300,
  kCandidateRows = 400,  // and one for each source
};

std::string CandidateName(int number) { return absl::StrCat("candidate_", number); }

using Notes = std::map<std::string, std::string>;

bool SameNormalization(const Notes& a, const Notes& b) {
  const auto same = [&](const char* key) {
    const auto in_a = a.find(key), in_b = b.find(key);
    if (in_a == a.end() || in_b == b.end()) return in_a == a.end() && in_b == b.end();
    return in_a->second == in_b->second;
  };
  return same("acclimate.mean") && same("acclimate.std");
}

at::Tensor RowOf(const shift::PlaceMeasures& place) {
  return at::tensor({place.js_divergence, place.mmd_squared, place.mmd_p_value, place.a_distance,
                     place.coral_distance},
                    at::kDouble);
}

shift::PlaceMeasures PlaceOf(const at::Tensor& row) {
  const auto value = row.accessor<double, 1>();
  return {value[0], value[1], value[2], value[3], value[4]};
}

// One step a place; the verdict at the end.
class DiagnoseTask : public train::Task {
 public:
  explicit DiagnoseTask(const MethodContext& context)
      : model_(context.model),
        context_(context),
        samples_(context.settings.Integer("samples")),
        permutations_(context.settings.Integer("permutations")),
        passes_(context, kProbe, kMostPlaces, samples_, samples_) {
    const int64_t places = static_cast<int64_t>(passes_.places().names.size());
    matrix_ = at::zeros({places, RowOf({}).size(0)}, at::kDouble);
    plan_.total_steps = places;
    plan_.steps_per_epoch = places;
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput& input,
                                         train::StopSignal& stop) override {
    if (absl::Status status = passes_.Run(stop); !status.ok()) return status;
    const size_t place = static_cast<size_t>(input.step);
    const shift::PlaceMeasures measures =
        shift::MeasurePlace(passes_.source().levels[place], passes_.target().levels[place],
                            permutations_, passes_.GeneratorFor(kPlaces + place));
    matrix_[input.step].copy_(RowOf(measures));
    train::StepOutput output;
    output.samples = passes_.source().size() + passes_.target().size();
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override {
    if (absl::Status status = passes_.Run(stop); !status.ok()) return status;
    const shift::DomainSample &source = passes_.source(), &target = passes_.target();
    diagnosis_ = {};
    diagnosis_.source_samples = source.size();
    diagnosis_.target_samples = target.size();
    diagnosis_.places = passes_.places().names;
    for (int64_t i = 0; i < matrix_.size(0); ++i) {
      diagnosis_.measures.push_back(PlaceOf(matrix_[i]));
    }
    diagnosis_.outputs = shift::MeasureOutputs(source, target, passes_.AlignedTargetLogits());
    diagnosis_.confidence = passes_.JudgeConfidence();
    MeasureResidual();
    MeasureSources();
    if (passes_.has_labelled()) {
      diagnosis_.probe_samples = passes_.labelled().size();
      diagnosis_.labels = passes_.JudgeLabels(diagnosis_.outputs.calibration);
    }
    return ScoreModels(stop);
  }

  train::TensorMap State() const override {
    train::TensorMap state = passes_.State();
    state[kMatrix] = matrix_;
    return state;
  }

  absl::Status Restore(const train::TensorMap& state) override {
    const auto it = state.find(kMatrix);
    if (it == state.end() || it->second.sizes() != matrix_.sizes()) {
      return absl::InvalidArgumentError("training state: no fitting matrix");
    }
    matrix_.copy_(it->second);
    return passes_.Restore(state);
  }

  void Report(nlohmann::json& report) const override {
    report["diagnosis"] =
        ToJson(diagnosis_, AllOffers(), AvailableFor(model_, context_.target, /*sources=*/true));
  }

  std::vector<std::string> Warnings() const override {
    std::vector<std::string> warnings;
    for (const auto& [name, candidate] : context_.inputs.models) {
      if (SameNormalization(candidate->metadata(), model_.metadata())) continue;
      warnings.push_back(absl::StrCat("inputs[\"", name,
                                      "\"]: records another normalisation than the checkpoint, by "
                                      "whose its inputs were normalised"));
    }
    return warnings;
  }

  std::map<std::string, double> Metrics() const override {
    const shift::Evidence evidence = diagnosis_.Evidence();
    return {{"a_distance", evidence.feature_distance},
            {"mmd_p_value", evidence.feature_p_value},
            {"label_overlap", evidence.label_overlap},
            {"source_error", evidence.source_error}};
  }

 private:
  // What stays between the domains when the source's classes get the target's estimated shares.
  void MeasureResidual() {
    const at::Generator generator = passes_.GeneratorFor(kResidual);
    const at::Tensor rows =
        shift::RowsWithShares(passes_.source().labels, diagnosis_.outputs.target_prior, generator);
    const size_t features = passes_.places().features();
    if (rows.size(0) == 0) {  // nothing can be explained
      diagnosis_.residual_p_value = 0;
      diagnosis_.residual_distance = diagnosis_.measures[features].a_distance;
      return;
    }
    const at::Tensor source = passes_.source().levels[features].index_select(0, rows);
    const at::Tensor& target = passes_.target().levels[features];
    diagnosis_.residual_p_value =
        shift::MmdPermutationTest(source, target, permutations_, generator).p_value;
    diagnosis_.residual_distance =
        shift::ProxyADistance(shift::ClassifyDomains(source, target, generator).error);
  }

  void MeasureSources() {
    const size_t features = passes_.places().features();
    for (const shift::DomainSample& source : passes_.sources()) {
      const shift::DomainClassification domains =
          shift::ClassifyDomains(source.levels[features], passes_.target().levels[features],
                                 passes_.GeneratorFor(kSourceDistances));
      diagnosis_.source_distances.push_back(shift::ProxyADistance(domains.error));
    }
  }

  // The checkpoint and the candidates, on the probe where there is one, else on the sources.
  absl::Status ScoreModels(train::StopSignal& stop) {
    diagnosis_.scored_on_probe = passes_.has_labelled();
    const int64_t classes = model_.num_classes();
    const shift::DomainSample& own =
        diagnosis_.scored_on_probe ? passes_.labelled() : passes_.source();
    diagnosis_.models.push_back(
        {"checkpoint", shift::ScoreTransfer(own.features, own.logits, own.labels, classes)});
    for (const auto& [name, candidate] : context_.inputs.models) {
      absl::StatusOr<shift::DomainSample> sample = SampleForScores(*candidate, stop);
      if (!sample.ok()) return sample.status();
      diagnosis_.models.push_back(
          {name, shift::ScoreTransfer(sample->features, sample->logits, sample->labels, classes)});
    }
    return absl::OkStatus();
  }

  absl::StatusOr<shift::DomainSample> SampleForScores(model::Model& candidate,
                                                      train::StopSignal& stop) {
    const shift::Places places{{}, {"inputs", "logits"}};  // nothing in between
    std::vector<const data::Dataset*> datasets;
    if (diagnosis_.scored_on_probe) {
      datasets.push_back(&context_.inputs.datasets.at(kProbe));
    } else {
      for (const data::Dataset& source : context_.sources) datasets.push_back(&source);
    }
    const int64_t count = static_cast<int64_t>(datasets.size());
    std::vector<shift::DomainSample> samples;
    for (int64_t i = 0; i < count; ++i) {
      const at::Tensor rows =
          passes_.Rows(*datasets[i], (samples_ + count - 1) / count, kCandidateRows + i);
      shift::Reducer reducer(0);
      absl::StatusOr<shift::DomainSample> sample = shift::SampleDomain(
          candidate, *datasets[i], rows, places, reducer, context_.device, stop);
      if (!sample.ok()) return sample.status();
      samples.push_back(*std::move(sample));
    }
    return shift::Concatenated(samples);
  }

  model::Model& model_;
  const MethodContext context_;
  const int64_t samples_, permutations_;
  DomainPasses passes_;
  at::Tensor matrix_;  // double [places, measures]
  Diagnosis diagnosis_;
  train::Plan plan_;
};

}  // namespace

MethodEntry Diagnose() {
  MethodSpec spec;
  spec.name = "diagnose";
  spec.title = "Diagnosis of a shift";
  spec.summary =
      "Measures how the target differs from the sources at the inputs, through the network and at "
      "the outputs, and says which kind of shift it is, how strong, and which methods fit. Changes "
      "nothing.";
  spec.reference =
      "Ben-David et al., Machine Learning 79 (2010); Gretton et al., JMLR 13 (2012); Rabanser et "
      "al., Failing Loudly, NeurIPS (2019); You et al., LogME, ICML (2021)";
  spec.formula =
      "per place: JS of histograms, MMD^2 with permutation p-value, d_A = 2 (1 - 2 e), ||C_s - "
      "C_t||^2 / 4 d^2; target error <= source error + d / 2 + lambda";
  spec.source = DataNeed::kRequired;
  spec.trains = false;
  spec.full_precision = true;
  spec.inputs = {{kProbe, InputSpec::Kind::kLabelledDataset, DataNeed::kOptional,
                  "A few labelled samples of the target: only they can show a concept shift"}};
  for (int i = 1; i <= kMostCandidates; ++i) {
    spec.inputs.push_back({CandidateName(i), InputSpec::Kind::kModel, DataNeed::kOptional,
                           "Another checkpoint, to be ranked beside the first"});
  }
  spec.hyperparameters = {
      IntegerSetting("samples", "Samples of each domain that are looked at, chosen by the seed",
                     2000, kFewestDomainSamples, 20000),
      IntegerSetting("permutations",
                     "Random divisions behind each p-value; 1 / (1 + permutations) is the least",
                     500, 399, 100000)};
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            if (absl::Status status = CheckDomains(context, kProbe); !status.ok()) return status;
            return std::make_unique<DiagnoseTask>(context);
          }};
}

}  // namespace acclimate::methods
