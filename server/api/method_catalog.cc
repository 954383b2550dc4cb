#include "server/api/method_catalog.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/api/hyperparameter_values.h"

namespace acclimate::api {

MethodCatalog::MethodCatalog(v1::ListMethodsResponse response) : list_(std::move(response)) {
  for (int i = 0; i < list_.methods_size(); ++i) {
    index_[std::string(absl::StripPrefix(list_.methods(i).name(), "methods/"))] = i;
  }
}

const v1::Method* MethodCatalog::Find(absl::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &list_.methods(found->second);
}

bool MethodCatalog::HasArchitecture(absl::string_view name) const {
  const auto& known = list_.architectures();
  return std::find(known.begin(), known.end(), name) != known.end();
}

std::string MethodCatalog::MethodNames() const {
  return absl::StrJoin(
      index_, ", ", [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.first); });
}

std::string MethodCatalog::ArchitectureNames() const {
  return absl::StrJoin(list_.architectures(), ", ");
}

namespace {

methods::DataNeed ToCoreNeed(v1::DataNeed need) {
  return need == v1::DATA_NEED_REQUIRED   ? methods::DataNeed::kRequired
         : need == v1::DATA_NEED_OPTIONAL ? methods::DataNeed::kOptional
                                          : methods::DataNeed::kNone;
}

}  // namespace

methods::MethodSpec ToMethodSpec(const v1::Method& method) {
  methods::MethodSpec spec;
  spec.name = std::string(absl::StripPrefix(method.name(), "methods/"));
  spec.checkpoint = ToCoreNeed(method.checkpoint());
  spec.source = ToCoreNeed(method.source());
  spec.target = ToCoreNeed(method.target());
  spec.target_labels = ToCoreNeed(method.target_labels());
  for (const v1::MethodInput& input : method.inputs()) {
    methods::InputSpec& added = spec.inputs.emplace_back();
    added.name = input.name();
    added.need = ToCoreNeed(input.need());
    added.description = input.description();
  }
  for (const v1::Hyperparameter& hyperparameter : method.hyperparameters()) {
    methods::HyperparameterSpec& added = spec.hyperparameters.emplace_back();
    added.name = hyperparameter.name();
    added.description = hyperparameter.description();
    added.default_value =
        ToCoreValue(hyperparameter.default_value()).value_or(methods::HyperparameterValue());
    added.minimum = hyperparameter.minimum();
    added.maximum = hyperparameter.maximum();
    added.exclusive_minimum = hyperparameter.exclusive_minimum();
    added.choices.assign(hyperparameter.choices().begin(), hyperparameter.choices().end());
  }
  return spec;
}

}  // namespace acclimate::api
