// Hyperparameters by type: how a method describes them and how it reads them. Free of LibTorch.
#ifndef ACCLIMATE_CORE_METHODS_SETTINGS_H_
#define ACCLIMATE_CORE_METHODS_SETTINGS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/methods/method_spec.h"

namespace acclimate::methods {

// Reads resolved hyperparameters. A name or a type that the spec does not have is a programming
// error and throws.
class Settings {
 public:
  explicit Settings(Hyperparameters resolved) : values_(std::move(resolved)) {}

  bool Has(const std::string& name) const { return values_.count(name) > 0; }
  int64_t Integer(const std::string& name) const { return std::get<int64_t>(values_.at(name)); }
  double Real(const std::string& name) const { return std::get<double>(values_.at(name)); }
  bool Flag(const std::string& name) const { return std::get<bool>(values_.at(name)); }
  const std::string& Text(const std::string& name) const {
    return std::get<std::string>(values_.at(name));
  }

 private:
  Hyperparameters values_;
};

// Bounds are inclusive.
HyperparameterSpec IntegerSetting(std::string name, std::string description, int64_t value,
                                  int64_t minimum, int64_t maximum);
HyperparameterSpec RealSetting(std::string name, std::string description, double value,
                               double minimum, double maximum);
// Greater than zero.
HyperparameterSpec PositiveSetting(std::string name, std::string description, double value,
                                   double maximum);
HyperparameterSpec FlagSetting(std::string name, std::string description, bool value);
HyperparameterSpec ChoiceSetting(std::string name, std::string description, std::string value,
                                 std::vector<std::string> choices);

std::vector<HyperparameterSpec> Concatenated(std::vector<HyperparameterSpec> first,
                                             std::vector<HyperparameterSpec> second);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_SETTINGS_H_
