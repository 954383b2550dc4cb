#include "core/report/html.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_replace.h"
#include "core/report/embedded_page.h"

namespace acclimate::report {
namespace {

constexpr char kPlaceholder[] = "@REPORT@";

}  // namespace

std::string RenderHtml(const nlohmann::json& report) {
  const std::string text =
      report.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  const std::string data =
      absl::StrReplaceAll(text, {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}});
  return absl::StrReplaceAll(kEmbeddedPage, {{kPlaceholder, data}});
}

}  // namespace acclimate::report
