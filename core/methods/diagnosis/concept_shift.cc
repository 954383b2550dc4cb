// Concept shift: what can be seen of it, and which labels would show the rest.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "core/losses/entropy.h"
#include "core/methods/domain_passes.h"
#include "core/methods/method.h"
#include "core/shift/active_request.h"
#include "core/shift/verdict.h"

namespace acclimate::methods {
namespace {

constexpr char kLabelled[] = "labelled";
constexpr char kRequestFile[] = "active_request.safetensors";
constexpr int64_t kMostPool = 10000;       // target samples among which labels are asked for
constexpr int64_t kDensitySamples = 1000;  // of the pool, for the density at each of them
constexpr size_t kMostLevels = 1;          // the features
constexpr uint64_t kLabelStream = 100, kDensityStream = 101;
constexpr int64_t kLabelDraws = 2000;

class ConceptShiftTask : public train::Task {
 public:
  explicit ConceptShiftTask(const MethodContext& context)
      : requests_(context.settings.Integer("requests")),
        passes_(context, kLabelled, kMostLevels, context.settings.Integer("samples"), kMostPool) {
    plan_.total_steps = 1;
  }

  const train::Plan& plan() const override { return plan_; }

  absl::StatusOr<train::StepOutput> Step(const train::StepInput&,
                                         train::StopSignal& stop) override {
    if (absl::Status status = passes_.Run(stop); !status.ok()) return status;
    train::StepOutput output;
    output.samples = passes_.target().size();
    return output;
  }

  absl::Status Finish(train::StopSignal& stop) override {
    if (absl::Status status = passes_.Run(stop); !status.ok()) return status;
    calibration_ = {};
    if (passes_.has_source()) {
      calibration_ = shift::CautiousTemperature(passes_.source().logits, passes_.source().labels);
      confidence_ = passes_.JudgeConfidence();
    }
    if (passes_.has_labelled()) labels_ = JudgeLabels();
    request_ = Choose();
    return absl::OkStatus();
  }

  train::TensorMap State() const override { return passes_.State(); }
  absl::Status Restore(const train::TensorMap& state) override { return passes_.Restore(state); }

  void Report(nlohmann::json& report) const override {
    nlohmann::json found = {{"sentence", Sentence()}};
    if (confidence_) {
      found["confidence"] = {{"source_entropy", confidence_->source_entropy},
                             {"aligned_target_entropy", confidence_->target_entropy},
                             {"p_value", confidence_->p_value}};
    }
    if (labels_) {
      found["labels"] = {{"p_value", labels_->p_value},
                         {"samples_in_overlap", labels_->samples},
                         {"accuracy", labels_->accuracy},
                         {"expected_accuracy", labels_->expected_accuracy}};
    }
    const int64_t* const index = request_.index.data_ptr<int64_t>();
    found["requested_labels"] = std::vector<int64_t>(index, index + request_.index.numel());
    report["concept_shift"] = found;
  }

  std::map<std::string, double> Metrics() const override {
    std::map<std::string, double> metrics;
    if (confidence_) metrics["confidence_p_value"] = confidence_->p_value;
    if (labels_) metrics["labels_p_value"] = labels_->p_value;
    return metrics;
  }

  std::map<std::string, train::TensorMap> Files() const override {
    return {
        {kRequestFile, {{"indices", request_.index}, {"scores", request_.score.to(at::kFloat)}}}};
  }

 private:
  // Without sources every label counts in full, and the model is taken at its word.
  shift::LabelEvidence JudgeLabels() const {
    if (passes_.has_source()) return passes_.JudgeLabels(calibration_);
    const shift::DomainSample& labelled = passes_.labelled();
    return shift::WeighLabels(labelled.logits, labelled.labels,
                              at::ones({labelled.size()}, at::kDouble), calibration_, kLabelDraws,
                              passes_.GeneratorFor(kLabelStream));
  }

  shift::ActiveRequest Choose() const {
    const shift::DomainSample& pool = passes_.target();
    const at::Tensor& features = pool.levels[passes_.places().features()];
    const double most = std::log(static_cast<double>(std::max<int64_t>(pool.logits.size(1), 2)));
    at::Tensor doubt =
        losses::Entropy(shift::CalibratedLogits(pool.logits, calibration_)).div(most).clamp(0, 1);
    at::Tensor labelled;
    if (passes_.has_labelled()) {
      const shift::DomainSample& known = passes_.labelled();
      labelled = known.levels[passes_.places().features()];
      const at::Tensor wrong = known.logits.argmax(1).ne(known.labels).to(at::kDouble);
      doubt = at::maximum(doubt, shift::DoubtFromLabels(features, labelled, wrong));
    }
    const at::Tensor rows =
        shift::RandomRows(features.size(0), kDensitySamples, passes_.GeneratorFor(kDensityStream));
    const at::Tensor density = shift::Density(features, features.index_select(0, rows));
    shift::ActiveRequest request =
        shift::ChooseRequests(features, doubt, density, requests_, labelled);
    request.index = passes_.target_rows().index_select(0, request.index);
    return request;
  }

  std::string Sentence() const {
    if (labels_) return LabelSentence(shift::JudgeLabels(*labels_));
    if (confidence_ && shift::ConfidenceDrops(confidence_->p_value)) {
      return "Confidence drops even where aligned features overlap with the source: a hint of a "
             "concept shift, which labels of the requested samples would confirm or dispel.";
    }
    return "Without labels of the target a concept shift cannot be excluded; labels of the "
           "requested samples would tell most.";
  }

  std::string LabelSentence(shift::LabelVerdict verdict) const {
    switch (verdict) {
      case shift::LabelVerdict::kTooFew:
        return "Too few of the labels lie where the domains overlap to tell a moved concept from a "
               "moved domain; have the requested samples labelled.";
      case shift::LabelVerdict::kAgree:
        return "The labels agree with the model: no sign of a concept shift.";
      case shift::LabelVerdict::kContradict:
        break;
    }
    return passes_.has_source()
               ? "The concept moved: where the domains overlap, the labels contradict the model."
               : "The labels contradict the model; without sources it cannot be told whether the "
                 "domain or the concept moved.";
  }

  const int64_t requests_;
  DomainPasses passes_;
  shift::Calibration calibration_;
  absl::optional<shift::ConfidenceTest> confidence_;
  absl::optional<shift::LabelEvidence> labels_;
  shift::ActiveRequest request_;
  train::Plan plan_;
};

}  // namespace

MethodEntry ConceptShift() {
  MethodSpec spec;
  spec.name = "concept_shift";
  spec.title = "Detection of a concept shift, and a request for labels";
  spec.summary =
      "Looks for signs that the same inputs mean something else in the target, tests a few labels "
      "against the model where they are given, and names the target samples whose labels would "
      "help most. Changes nothing.";
  spec.reference =
      "Sener & Savarese, Active Learning for Convolutional Neural Networks: A Core-Set Approach, "
      "ICLR (2018); Settles & Craven, EMNLP (2008)";
  spec.formula =
      "p-value of mean_i -w_i ln p(y_i|x_i) under labels drawn from p, w = min(1, p_s / p_t); next "
      "request = argmax doubt_i density_i min_j ||f_i - f_j||^2";
  spec.source = DataNeed::kOptional;
  spec.trains = false;
  spec.full_precision = true;
  spec.answers = {shift::ShiftKind::kConcept};
  spec.inputs = {{kLabelled, InputSpec::Kind::kLabelledDataset, DataNeed::kOptional,
                  "Samples of the target that have labels already"}};
  spec.hyperparameters = {
      IntegerSetting("requests", "Samples to ask labels for", 20, 1, 1000),
      IntegerSetting("samples", "Source samples that are looked at, chosen by the seed", 2000,
                     kFewestDomainSamples, 20000)};
  return {spec, [](const MethodContext& context) -> absl::StatusOr<std::unique_ptr<train::Task>> {
            if (absl::Status status = CheckDomains(context, kLabelled); !status.ok()) return status;
            return std::make_unique<ConceptShiftTask>(context);
          }};
}

}  // namespace acclimate::methods
