// What report.json holds, as text of at most 80 columns where its words allow.
#ifndef ACCLIMATE_CLIENT_CLI_REPORT_TEXT_H_
#define ACCLIMATE_CLIENT_CLI_REPORT_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/cli/output.h"

namespace acclimate::cli {

// The verdict, the accuracies, scores by class, candidates, race and cost: of each what is there.
// DATA_LOSS: a field is not of the form that docs/report.md gives it.
absl::StatusOr<std::string> ReportText(const Json& report);

// A class's name where the report has one, else its number.
std::string ClassName(const Json& report, size_t number);

// Lines of at most 80 columns, broken between words.
std::string Wrapped(const std::string& text);

// Of the report's `diagnosis`: verdict, methods and matrix. DATA_LOSS as above.
absl::StatusOr<std::string> DiagnosisText(const Json& diagnosis);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_REPORT_TEXT_H_
