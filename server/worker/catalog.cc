#include "server/worker/catalog.h"

#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "core/job/run.h"
#include "core/methods/method_spec.h"

namespace acclimate::worker {
namespace {

v1::DataNeed ToProto(methods::DataNeed need) {
  switch (need) {
    case methods::DataNeed::kNone:
      return v1::DATA_NEED_NONE;
    case methods::DataNeed::kOptional:
      return v1::DATA_NEED_OPTIONAL;
    case methods::DataNeed::kRequired:
      return v1::DATA_NEED_REQUIRED;
  }
  return v1::DATA_NEED_UNSPECIFIED;
}

// Sets type and default value.
struct DefaultValue {
  v1::Hyperparameter& into;

  void operator()(int64_t value) const {
    into.set_type(v1::Hyperparameter::INTEGER);
    into.mutable_default_value()->set_integer(value);
  }
  void operator()(double value) const {
    into.set_type(v1::Hyperparameter::REAL);
    into.mutable_default_value()->set_real(value);
  }
  void operator()(bool value) const {
    into.set_type(v1::Hyperparameter::BOOLEAN);
    into.mutable_default_value()->set_boolean(value);
  }
  void operator()(const std::string& value) const {
    into.set_type(v1::Hyperparameter::TEXT);
    into.mutable_default_value()->set_text(value);
  }
};

v1::Hyperparameter ToProto(const methods::HyperparameterSpec& spec) {
  v1::Hyperparameter result;
  result.set_name(spec.name);
  result.set_description(spec.description);
  std::visit(DefaultValue{result}, spec.default_value);
  result.set_minimum(spec.minimum);
  result.set_maximum(spec.maximum);
  result.set_exclusive_minimum(spec.exclusive_minimum);
  for (const std::string& choice : spec.choices) result.add_choices(choice);
  return result;
}

v1::MethodInput ToProto(const methods::InputSpec& spec) {
  using Kind = methods::InputSpec::Kind;
  v1::MethodInput result;
  result.set_name(spec.name);
  result.set_kind(spec.kind == Kind::kDataset           ? v1::MethodInput::DATASET
                  : spec.kind == Kind::kLabelledDataset ? v1::MethodInput::LABELLED_DATASET
                  : spec.kind == Kind::kModel           ? v1::MethodInput::MODEL
                                                        : v1::MethodInput::FILE);
  result.set_need(ToProto(spec.need));
  result.set_description(spec.description);
  return result;
}

v1::Method ToProto(const methods::MethodSpec& spec) {
  v1::Method result;
  result.set_name(absl::StrCat("methods/", spec.name));
  result.set_title(spec.title);
  result.set_summary(spec.summary);
  result.set_reference(spec.reference);
  result.set_formula(spec.formula);
  result.set_checkpoint(ToProto(spec.checkpoint));
  result.set_source(ToProto(spec.source));
  result.set_target(ToProto(spec.target));
  result.set_target_labels(ToProto(spec.target_labels));
  result.set_needs_batch_norm(spec.needs_batch_norm);
  result.set_needs_normalization(spec.needs_normalization);
  result.set_needs_images(spec.needs_images);
  result.set_needs_vectors(spec.needs_vectors);
  result.set_needs_counts(spec.needs_counts);
  result.set_trains(spec.trains);
  result.set_selects_weights(spec.selects_weights);
  for (const methods::InputSpec& input : spec.inputs) *result.add_inputs() = ToProto(input);
  for (const auto& hyperparameter : spec.hyperparameters) {
    *result.add_hyperparameters() = ToProto(hyperparameter);
  }
  return result;
}

}  // namespace

v1::ListMethodsResponse MakeCatalog() {
  v1::ListMethodsResponse catalog;
  for (const methods::MethodSpec& spec : job::Catalog()) *catalog.add_methods() = ToProto(spec);
  for (const std::string& name : job::Architectures()) catalog.add_architectures(name);
  return catalog;
}

}  // namespace acclimate::worker
