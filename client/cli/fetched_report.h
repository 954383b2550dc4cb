// The report of a finished job.
#ifndef ACCLIMATE_CLIENT_CLI_FETCHED_REPORT_H_
#define ACCLIMATE_CLIENT_CLI_FETCHED_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "acclimate/v1/job.pb.h"
#include "client/cli/command.h"
#include "client/cli/output.h"

namespace acclimate::cli {

// Fetches the job's result into --out, or into a folder that goes when this returns, and reads its
// report.json. DATA_LOSS: no object with all of `fields`.
absl::StatusOr<Json> FetchReport(Invocation& invocation, const v1::Job& job,
                                 const std::vector<std::string>& fields);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_FETCHED_REPORT_H_
