#include "core/job/input_checks.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/io/shape_text.h"
#include "core/methods/perturbations.h"

namespace acclimate::job {
namespace {

using methods::DataNeed;
using methods::MethodSpec;

constexpr char kFromOne[] = "; classes count from 0: labels = labels - 1 mends labels from 1 on";

absl::Status Unfit(const std::string& field, const std::string& message) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", message));
}

// Labels that are read must be classes of the model.
absl::Status CheckLabels(const std::string& field, const data::Dataset& dataset, int64_t classes) {
  if (dataset.num_classes() <= classes) return absl::OkStatus();
  const at::Tensor& labels = dataset.labels();
  const int64_t index = labels.ge(classes).to(at::kInt).argmax().item<int64_t>();
  const bool from_one = dataset.num_classes() == classes + 1 && labels.min().item<int64_t>() == 1;
  return Unfit(absl::StrCat("labels of ", field),
               absl::StrCat("value ", labels[index].item<int64_t>(), " at index ", index,
                            ", the model has ", classes, " classes", from_one ? kFromOne : ""));
}

// That views may put the token in the place of others.
absl::Status CheckMaskToken(const Inputs& inputs) {
  const auto setting = inputs.hyperparameters.find(methods::kMaskTokenSetting);
  if (setting == inputs.hyperparameters.end()) return absl::OkStatus();
  const int64_t token = std::get<int64_t>(setting->second);
  const model::ModelInput& first = inputs.model->inputs().front();
  if (token >= 0 && !first.whole_numbers()) {
    return Unfit(methods::kMaskTokenSetting, "the model takes no token ids");
  }
  if (first.vocabulary == 0 || token < first.vocabulary) return absl::OkStatus();
  return Unfit(methods::kMaskTokenSetting,
               absl::StrCat(token, ", but the model knows the tokens 0 to ", first.vocabulary - 1));
}

}  // namespace

absl::Status CheckShapes(Inputs& inputs) {
  const std::vector<int64_t> expected = inputs.target->sample_shape();
  if (inputs.method->spec.needs_images && expected.size() != 3) {
    return Unfit("target", absl::StrCat(inputs.method->spec.name,
                                        " needs images [channels, height, width]; the samples "
                                        "have shape ",
                                        io::ShapeText(expected)));
  }
  std::vector<std::string> faults;
  for (const auto& [field, dataset] : inputs.AllDatasets()) {
    if (dataset->sample_shape() != expected) {
      faults.push_back(absl::StrCat(field, ": samples have shape ",
                                    io::ShapeText(dataset->sample_shape()),
                                    ", those of the target ", io::ShapeText(expected)));
    }
  }
  if (faults.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(faults, "; "));
}

absl::Status CheckCountFromZero(const RunSpec& spec, Inputs& inputs) {
  if (spec.num_classes > 0 || !inputs.conventions.class_names.empty()) return absl::OkStatus();
  if (inputs.method->spec.target_labels != DataNeed::kRequired ||
      !inputs.method->spec.labels_are_classes || !inputs.target->has_labels()) {
    return absl::OkStatus();
  }
  if (inputs.target->labels().min().item<int64_t>() != 1) return absl::OkStatus();
  return Unfit("labels of target",
               absl::StrCat("no sample has the label 0", kFromOne,
                            "; if a class has no samples here, give the number of classes"));
}

absl::Status CheckModel(Inputs& inputs, RunObserver& observer) {
  if (absl::Status status = CheckMaskToken(inputs); !status.ok()) return status;
  const MethodSpec& method = inputs.method->spec;
  const int64_t classes = inputs.model->num_classes();
  if (method.needs_batch_norm && inputs.model->batch_norm_layers().empty()) {
    return Unfit("checkpoint",
                 absl::StrCat(method.name, " needs batch-norm layers; the model has none"));
  }
  if (method.needs_normalization && inputs.model->normalization_layers().empty()) {
    return Unfit("checkpoint",
                 absl::StrCat(method.name,
                              " needs layers that normalise (batch, layer, group or instance "
                              "norm) and have a scale or a shift; the model has none"));
  }
  if (!method.labels_are_classes) return absl::OkStatus();
  for (const auto& [field, dataset] : inputs.AllDatasets()) {
    const absl::Status status = CheckLabels(field, *dataset, classes);
    if (status.ok()) continue;
    if (field != "target" || method.target_labels == DataNeed::kRequired) return status;
    // Labels of a target that is adapted to without them serve nothing but a metric.
    observer.OnWarning(absl::StrCat(status.message(), "; not used"));
    inputs.target = *inputs.unlabelled;
  }
  return absl::OkStatus();
}

}  // namespace acclimate::job
