#include "core/model/exported_json.h"

#include <limits>
#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace acclimate::model {
namespace {

// The graph of a network of a thousand layers takes some megabytes. Parsed, a text can take tens of
// times its size in memory.
constexpr size_t kMaxJsonBytes = 128u << 20;
// A program without control flow needs less than twenty.
constexpr int kMaxJsonDepth = 100;

// How deep objects and lists are nested; stops at the first level beyond the limit.
bool DeeperThan(absl::string_view text, int limit) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

nlohmann::json StrictJson::Parse(absl::string_view text, const std::string& record) {
  if (text.size() > kMaxJsonBytes) {
    throw std::runtime_error(absl::StrCat("record ", record, " has ", text.size(),
                                          " bytes; at most ", kMaxJsonBytes, " are read"));
  }
  if (DeeperThan(text, kMaxJsonDepth)) {
    throw std::runtime_error(absl::StrCat("record ", record, " is nested more than ", kMaxJsonDepth,
                                          " levels deep; a classifier's program needs about ten"));
  }
  try {
    return nlohmann::json::parse(text.begin(), text.end());
  } catch (const nlohmann::json::parse_error& error) {
    throw std::runtime_error(
        absl::StrCat("record ", record, " is not JSON: an error at its byte ", error.byte));
  } catch (const nlohmann::json::exception&) {
    throw std::runtime_error(absl::StrCat("record ", record, " holds a number out of range"));
  }
}

void StrictJson::Fail(const char* wanted) const {
  const std::string where = name_.empty() ? "the document" : absl::StrCat("\"", name_, "\"");
  throw std::runtime_error(
      absl::StrCat("in the program, ", where, " is ", value_->type_name(), "; wanted is ", wanted));
}

StrictJson StrictJson::operator[](const std::string& member) const {
  if (!value_->is_object()) Fail("an object");
  const auto found = value_->find(member);
  if (found == value_->end()) {
    throw std::runtime_error(absl::StrCat(
        "in the program, ", name_.empty() ? "the document" : absl::StrCat("\"", name_, "\""),
        " lacks \"", member, "\""));
  }
  return StrictJson(*found, member);
}

bool StrictJson::Has(const std::string& member) const {
  if (!value_->is_object()) return false;
  const auto found = value_->find(member);
  return found != value_->end() && !found->is_null();
}

std::vector<StrictJson> StrictJson::Items() const {
  if (!value_->is_array()) Fail("a list");
  std::vector<StrictJson> items;
  items.reserve(value_->size());
  for (const nlohmann::json& item : *value_) items.push_back(StrictJson(item, name_));
  return items;
}

std::vector<std::pair<std::string, StrictJson>> StrictJson::Members() const {
  if (!value_->is_object()) Fail("an object");
  std::vector<std::pair<std::string, StrictJson>> members;
  for (const auto& [name, value] : value_->items()) {
    members.emplace_back(name, StrictJson(value, name));
  }
  return members;
}

std::pair<std::string, StrictJson> StrictJson::Choice() const {
  if (!value_->is_object() || value_->size() != 1) Fail("an object with one member");
  const auto only = value_->begin();
  return {only.key(), StrictJson(only.value(), only.key())};
}

std::string StrictJson::Text() const {
  if (!value_->is_string()) Fail("a string");
  return value_->get<std::string>();
}

int64_t StrictJson::Integer() const {
  const bool fits = value_->is_number_integer() &&
                    (!value_->is_number_unsigned() ||
                     value_->get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()});
  if (!fits) Fail("an integer of 64 bits");
  return value_->get<int64_t>();
}

double StrictJson::Real() const {
  if (value_->is_number()) return value_->get<double>();
  const std::string text = value_->is_string() ? value_->get<std::string>() : "";
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  Fail("a number");
}

bool StrictJson::Flag() const {
  if (!value_->is_boolean()) Fail("true or false");
  return value_->get<bool>();
}

}  // namespace acclimate::model
