// report.json in a folder that --out filled.
#ifndef ACCLIMATE_CLIENT_CLI_REPORT_FILE_H_
#define ACCLIMATE_CLIENT_CLI_REPORT_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/cli/output.h"

namespace acclimate::cli {

// NOT_FOUND: there is no such folder, or no report in it. DATA_LOSS: it is not JSON (with the byte
// at fault), no object, or of a schema version that this program does not know.
absl::StatusOr<Json> ReadReport(const std::string& folder);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_REPORT_FILE_H_
