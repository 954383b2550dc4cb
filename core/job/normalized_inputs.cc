#include "core/job/normalized_inputs.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/data/extremes.h"
#include "core/data/measured_normalization.h"

namespace acclimate::job {
namespace {

// What normalisation is measured on.
struct MeasuredOn {
  std::string fields;              // "sources[0], sources[1]", or "target"
  std::vector<data::Dataset> own;  // read for this alone
  std::vector<const data::Dataset*> datasets;
};

// What is set before a mean is measured.
data::Normalization BytesAlone(const RunSpec& spec) {
  data::Normalization bytes;
  bytes.raw_bytes = spec.normalization.raw_bytes;
  return bytes;
}

// The sources, also those that the method itself does not use; else the target.
absl::StatusOr<MeasuredOn> ChooseData(const RunSpec& spec, DatasetReader& reader,
                                      const Inputs& inputs) {
  MeasuredOn on;
  std::vector<std::string> fields;
  if (inputs.sources.empty()) {
    for (size_t i = 0; i < spec.sources.size(); ++i) {
      absl::StatusOr<data::Dataset> source =
          reader.Read(SourceField(i), spec.sources[i], LabelUse::kWelcome);
      if (!source.ok()) return source.status();
      if (source->sample_shape() != inputs.target->sample_shape()) {
        return absl::InvalidArgumentError(
            absl::StrCat(SourceField(i), ": samples of another shape than those of the target"));
      }
      on.own.push_back(*std::move(source));
    }
  }
  for (const data::Dataset& source : inputs.sources.empty() ? on.own : inputs.sources) {
    on.datasets.push_back(&source);
    fields.push_back(SourceField(fields.size()));
  }
  for (data::Dataset& source : on.own) {
    absl::Status status = source.SetNormalization(BytesAlone(spec));
    if (!status.ok()) return status;
  }
  if (on.datasets.empty()) {
    on.datasets.push_back(&*inputs.target);
    fields.push_back("target");
  }
  on.fields = absl::StrJoin(fields, ", ");
  return on;
}

std::string ChannelsText(const data::Dataset& dataset) {
  const std::vector<int64_t> shape = dataset.sample_shape();
  return absl::StrCat(shape[0], shape.size() == 1 ? " features" : " channels");
}

absl::StatusOr<data::Normalization> Measure(const RunSpec& spec, DatasetReader& reader,
                                            const Inputs& inputs, RunObserver& observer) {
  absl::StatusOr<MeasuredOn> on = ChooseData(spec, reader, inputs);
  if (!on.ok()) return on.status();
  if (spec.checkpoint != nullptr && spec.sources.empty()) {
    observer.OnWarning(
        "normalization: the checkpoint records none and there is no source, so the mean and std of "
        "the target are taken, which may differ from those that the model was trained with; give a "
        "source, or numbers");
  }
  return data::MeasureNormalization(on->datasets).normalization;
}

// A table for a network that is trained afresh, and not a word of its normalisation.
bool TakesDefaultOfTables(const RunSpec& spec, const Inputs& inputs) {
  const NormalizationRequest& request = spec.normalization;
  return request.mode.empty() && request.mean.empty() && request.std.empty() &&
         spec.checkpoint == nullptr && inputs.method->spec.trains &&
         inputs.method->spec.target_labels == methods::DataNeed::kRequired &&
         inputs.target->sample_shape().size() == 1;
}

// A sparse table, such as counts of words, keeps its zeros: rare features would become huge values.
ChosenNormalization DefaultOfTables(const NormalizationRequest& request, const Inputs& inputs,
                                    RunObserver& observer) {
  constexpr double kSparse = 0.9;
  const data::MeasuredNormalization measured = data::MeasureNormalization({&*inputs.target});
  ChosenNormalization chosen;
  if (measured.zero_share > kSparse) {
    observer.OnWarning(absl::StrFormat(
        "normalization: none, since %.0f %% of the values of the target are zero; the mode auto "
        "normalises each feature all the same",
        100 * measured.zero_share));
    chosen.from = "none";
  } else {
    observer.OnWarning(
        absl::StrCat("normalization: auto, as for every table that a new network is trained on: "
                     "the mean and std "
                     "of each of ",
                     ChannelsText(*inputs.target),
                     " of the target, kept with the model; the mode none turns it off"));
    chosen = {measured.normalization, "measured"};
  }
  chosen.values.clip = request.clip;
  chosen.values.raw_bytes = request.raw_bytes;
  return chosen;
}

absl::Status SetOnAll(const data::Normalization& normalization, Inputs& inputs) {
  for (const auto& [field, dataset] : inputs.AllDatasets()) {
    absl::Status status = dataset->SetNormalization(normalization);
    if (!status.ok()) return InField(field, status);
  }
  return absl::OkStatus();
}

// The method's own datasets: as the model records that reads them.
absl::Status NormalizeExtraDatasets(Inputs& inputs) {
  for (auto& [name, dataset] : inputs.extra.datasets) {
    const model::Model* reader = inputs.ReaderOf(name);
    absl::StatusOr<data::Normalization> its_own = inputs.normalization.values;
    if (reader != nullptr) its_own = RecordedNormalization(reader->metadata());
    if (!its_own.ok()) return InField(InputField(name), its_own.status());
    absl::Status status = dataset.SetNormalization(*its_own);
    if (!status.ok()) return InField(InputField(name), status);
  }
  return absl::OkStatus();
}

// Batch-norm statistics, and whatever else averages, follow a single such value.
void WarnOfExtremes(double clip, Inputs& inputs, RunObserver& observer) {
  constexpr double kFar = 100;  // a normalised value is about 1
  const double limit = clip > 0 ? clip : kFar;
  const char* const advice =
      clip > 0 ? "they are clipped"
               : "give mean and std that fit, or clip what is an error of measurement";
  for (const auto& [field, dataset] : inputs.Domains()) {
    const data::Extremes extremes = data::FindExtremes(*dataset, limit);
    if (extremes.samples == 0) continue;
    observer.OnWarning(
        absl::StrFormat("%s: %d of %d samples have values beyond %g after normalisation, the "
                        "largest is %g, value %d of sample %d: %s",
                        field, extremes.samples, dataset->size(), limit, extremes.value,
                        extremes.place, extremes.sample, advice));
  }
}

// A .pth file holds tensors and nothing else.
void WarnOfLostNormalization(const Inputs& inputs, RunObserver& observer) {
  if (inputs.model->form() != model::CheckpointForm::kPickle || !inputs.method->spec.trains ||
      (inputs.normalization.from == "none" && !inputs.conventions.table)) {
    return;
  }
  observer.OnWarning(
      "checkpoint: a .pth file cannot keep the normalisation or the coding of a table: give the "
      "numbers of lineage.json to later jobs, or start from .safetensors");
}

}  // namespace

absl::Status NormalizeInputs(const RunSpec& spec, DatasetReader& reader, Inputs& inputs,
                             RunObserver& observer) {
  absl::Status status = SetOnAll(BytesAlone(spec), inputs);
  if (!status.ok()) return status;
  if (TakesDefaultOfTables(spec, inputs)) {
    inputs.normalization = DefaultOfTables(spec.normalization, inputs, observer);
  } else {
    absl::StatusOr<ChosenNormalization> chosen =
        ChooseNormalization(spec.normalization, inputs.model->metadata(),
                            [&] { return Measure(spec, reader, inputs, observer); });
    if (!chosen.ok()) return chosen.status();
    inputs.normalization = *std::move(chosen);
  }
  // What is clipped is looked for before it is.
  data::Normalization unclipped = inputs.normalization.values;
  unclipped.clip = 0;
  if (status = SetOnAll(unclipped, inputs); !status.ok()) return status;
  WarnOfExtremes(inputs.normalization.values.clip, inputs, observer);
  if (status = SetOnAll(inputs.normalization.values, inputs); !status.ok()) return status;
  WarnOfLostNormalization(inputs, observer);
  return NormalizeExtraDatasets(inputs);
}

}  // namespace acclimate::job
