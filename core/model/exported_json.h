// JSON of an untrusted torch.export archive, read strictly: nothing is converted, guessed or
// defaulted.
#ifndef ACCLIMATE_CORE_MODEL_EXPORTED_JSON_H_
#define ACCLIMATE_CORE_MODEL_EXPORTED_JSON_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace acclimate::model {

// A value and the name it lies under, for messages. Points into the document, which must outlive
// it. Everything that fails throws std::runtime_error with one sentence that names the member, what
// it is and what is wanted.
class StrictJson {
 public:
  // The document in `text`; `record` names it in messages. Throws std::runtime_error when the text
  // is too large, nested too deeply or not JSON.
  static nlohmann::json Parse(absl::string_view text, const std::string& record);

  explicit StrictJson(const nlohmann::json& document) : value_(&document) {}

  StrictJson operator[](const std::string& member) const;  // of an object
  bool Has(const std::string& member) const;               // false for null, and for no object
  bool IsNull() const { return value_->is_null(); }
  bool IsText() const { return value_->is_string(); }
  std::vector<StrictJson> Items() const;                            // of a list
  std::vector<std::pair<std::string, StrictJson>> Members() const;  // of an object
  // The schema's unions are objects with one member, {"as_int": 3}: the member and its value.
  std::pair<std::string, StrictJson> Choice() const;

  std::string Text() const;
  int64_t Integer() const;
  // An integer will do. JSON has no infinity: "Infinity", "-Infinity" and "NaN" are strings.
  double Real() const;
  bool Flag() const;

 private:
  StrictJson(const nlohmann::json& value, std::string name)
      : value_(&value), name_(std::move(name)) {}
  [[noreturn]] void Fail(const char* wanted) const;

  const nlohmann::json* value_;
  std::string name_;  // of the member it lies under; empty for the document
};

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_EXPORTED_JSON_H_
