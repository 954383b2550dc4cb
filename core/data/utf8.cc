#include "core/data/utf8.h"

#include <algorithm>
#include <string>

#include "nlohmann/json.hpp"

namespace acclimate::data {

bool IsUtf8(absl::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; })) return true;
  try {
    nlohmann::json(std::string(text)).dump();  // strict by default
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

}  // namespace acclimate::data
