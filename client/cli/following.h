// Watches a job to its end, shows how it goes, fetches what it made, and tells the outcome.
#ifndef ACCLIMATE_CLIENT_CLI_FOLLOWING_H_
#define ACCLIMATE_CLIENT_CLI_FOLLOWING_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "acclimate/v1/job.pb.h"
#include "client/cli/command.h"
#include "client/cli/output.h"

namespace acclimate::cli {

struct FollowedJob {
  v1::Job job;
  bool detached = false;  // by Ctrl-C: the job goes on, and the user has been told how to come back
};

// Submits and follows: a Ctrl-C while the call is under way detaches too, so that no job is
// submitted unseen.
absl::StatusOr<FollowedJob> SubmitAndFollow(Invocation& invocation, const v1::JobSpec& spec,
                                            const std::string& out);
absl::StatusOr<FollowedJob> Follow(Invocation& invocation, const std::string& job,
                                   int64_t after_cursor, const std::string& out);

// The result's files into the folder `out`: name -> path.
absl::StatusOr<std::map<std::string, std::string>> FetchResult(Invocation& invocation,
                                                               const v1::Job& job,
                                                               const std::string& out);

// One job, briefly: name, state, method, metrics, warnings, error.
Json JobSummaryJson(const v1::Job& job);
// Why a job failed: the error, the phase, the signal, the tail of the worker's stderr.
std::string FailureText(const v1::Job& job);
// Fetches the result into `out` unless that is empty, prints the summary, and says how to exit.
absl::StatusOr<ExitCode> Conclude(Invocation& invocation, const FollowedJob& followed,
                                  const std::string& out);
// The whole of it, for the commands that submit: --detach and --out as given.
absl::StatusOr<ExitCode> RunJob(Invocation& invocation, const v1::JobSpec& spec);

// As RunJob(); of a job that succeeded, `print` shows what it found.
using PrintJob = absl::StatusOr<ExitCode> (*)(Invocation& invocation, const v1::Job& job);
absl::StatusOr<ExitCode> RunJobAndPrint(Invocation& invocation, const v1::JobSpec& spec,
                                        PrintJob print);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_FOLLOWING_H_
