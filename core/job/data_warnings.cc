#include "core/job/data_warnings.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/methods/selection.h"

namespace acclimate::job {
namespace {

using methods::DataNeed;

constexpr int64_t kCompared = 1000;  // samples: more of them differ somewhere

bool AllEqual(const data::Dataset& dataset) {
  const int64_t count = std::min(dataset.size(), kCompared);
  if (count < 2) return false;
  const at::Tensor some = dataset.StoredAt(at::arange(count, at::kLong));
  if (!some.eq(some.slice(0, 0, 1)).all().item<bool>()) return false;
  if (count == dataset.size()) return true;
  // The first ones are equal: the whole file may be.
  for (int64_t begin = count; begin < dataset.size(); begin += kCompared) {
    const int64_t end = std::min(begin + kCompared, dataset.size());
    const at::Tensor more = dataset.StoredAt(at::arange(begin, end, at::kLong));
    if (!more.eq(some.slice(0, 0, 1)).all().item<bool>()) return false;
  }
  return true;
}

std::string ClassName(int64_t number, const std::vector<std::string>& names) {
  const auto index = static_cast<size_t>(number);
  return index < names.size() ? absl::StrCat("\"", names[index], "\"") : absl::StrCat(number);
}

// Classes of the model that no sample has, "3, 5"; empty when there is none.
std::string MissingClasses(const std::vector<data::Dataset>& datasets, const Inputs& inputs) {
  constexpr size_t kMostNamed = 10;
  const int64_t classes = inputs.model->num_classes();
  at::Tensor counts = at::zeros({classes}, at::kLong);
  for (const data::Dataset& dataset : datasets) counts += dataset.labels().bincount({}, classes);
  std::vector<std::string> missing;
  for (int64_t i = 0; i < classes; ++i) {
    if (counts[i].item<int64_t>() == 0) {
      missing.push_back(ClassName(i, inputs.conventions.class_names));
    }
  }
  const size_t named = std::min(missing.size(), kMostNamed);
  std::string text = absl::StrJoin(missing.begin(), missing.begin() + named, ", ");
  if (missing.size() > named) absl::StrAppend(&text, " and ", missing.size() - named, " more");
  return text;
}

}  // namespace

std::vector<std::string> WarningsOfData(Inputs& inputs) {
  const methods::MethodSpec& method = inputs.method->spec;
  std::vector<std::string> warnings;
  for (const auto& [field, dataset] : inputs.Domains()) {
    if (AllEqual(*dataset)) {
      warnings.push_back(absl::StrCat(field, ": all ", dataset->size(),
                                      " samples are equal: nothing can be learned from them"));
    }
  }
  const bool labels_train = method.target_labels == DataNeed::kRequired;
  if (method.trains && !labels_train && inputs.target->size() < methods::kLeastTargetSamples) {
    const auto guard = inputs.hyperparameters.find(methods::kGuardSetting);
    const bool guarded =
        guard != inputs.hyperparameters.end() && std::get<std::string>(guard->second) == "on";
    warnings.push_back(absl::StrCat(
        "target: ", inputs.target->size(), " samples, under ", methods::kLeastTargetSamples,
        ", are too few to choose weights by or to hold the result against the source model",
        guarded ? ", which is returned; guard=off adapts it all the same" : ""));
  }
  // With labels of the target too, each file may be a task of its own.
  if (!inputs.sources.empty() && method.labels_are_classes && !labels_train) {
    const std::string missing = MissingClasses(inputs.sources, inputs);
    if (!missing.empty()) {
      warnings.push_back(absl::StrCat("sources: no sample of class ", missing,
                                      ": what is trained on them forgets what it is like"));
    }
  }
  if (method.trains && labels_train && method.labels_are_classes && inputs.target->has_labels()) {
    const at::Tensor& labels = inputs.target->labels();
    const int64_t only = labels[0].item<int64_t>();
    if (labels.eq(only).all().item<bool>()) {
      warnings.push_back(absl::StrCat("target: every label is ",
                                      ClassName(only, inputs.conventions.class_names),
                                      ": the model will learn to say nothing else"));
    }
  }
  return warnings;
}

}  // namespace acclimate::job
