// Values of hyperparameters between the wire and core.
#ifndef ACCLIMATE_SERVER_API_HYPERPARAMETER_VALUES_H_
#define ACCLIMATE_SERVER_API_HYPERPARAMETER_VALUES_H_

#include <optional>

#include "acclimate/v1/job.pb.h"
#include "core/methods/method_spec.h"

namespace acclimate::api {

// nullopt: no kind is set.
inline std::optional<methods::HyperparameterValue> ToCoreValue(
    const v1::HyperparameterValue& value) {
  using Value = methods::HyperparameterValue;
  switch (value.kind_case()) {
    case v1::HyperparameterValue::kInteger:
      return Value(int64_t{value.integer()});
    case v1::HyperparameterValue::kReal:
      return Value(value.real());
    case v1::HyperparameterValue::kBoolean:
      return Value(value.boolean());
    case v1::HyperparameterValue::kText:
      return Value(value.text());
    case v1::HyperparameterValue::KIND_NOT_SET:
      break;
  }
  return std::nullopt;
}

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_HYPERPARAMETER_VALUES_H_
