// report.html: the page of core/report/page.html with a report in it.
#ifndef ACCLIMATE_CORE_REPORT_HTML_H_
#define ACCLIMATE_CORE_REPORT_HTML_H_

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace acclimate::report {

// One self-contained document: it loads nothing, and shows a section for what the report has.
// No text of the report can end the element that holds it, or be taken for markup: '<', '>', '&'
// and everything outside ASCII are written as \u escapes of JSON.
std::string RenderHtml(const nlohmann::json& report);

}  // namespace acclimate::report

#endif  // ACCLIMATE_CORE_REPORT_HTML_H_
