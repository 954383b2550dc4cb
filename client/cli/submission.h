// What adapt, train and evaluate share: from files and options to a job, and from the job to its
// results.
#ifndef ACCLIMATE_CLIENT_CLI_SUBMISSION_H_
#define ACCLIMATE_CLIENT_CLI_SUBMISSION_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "acclimate/v1/catalog_service.pb.h"
#include "acclimate/v1/job.pb.h"
#include "client/cli/command.h"

namespace acclimate::cli {

// Each, but for the audit, a local file, or the name of a blob that the server has
// ("tenants/.../blobs/...").
struct JobInputs {
  std::string method;
  std::string checkpoint;  // may be empty, as the other files
  std::string architecture;
  int64_t num_classes = 0;  // of fresh weights; 0: taken from the labels
  std::string target;
  std::string evaluation;
  std::string audit;       // a local file of labels, which go into the job itself
  bool use_audit = false;  // they may choose, too
  std::vector<std::string> sources;
  std::vector<std::pair<std::string, std::string>> named;  // of the method's own inputs
};

// The options of every command that submits a job: --set, --mean, --std, --seed, --out, ...
void AddJobOptions(ArgumentSpec* spec);

// That there is something to start from: --checkpoint or --architecture.
absl::Status CheckStart(const Arguments& arguments);

// That --use-audit has an audit to use.
absl::Status CheckAudit(const Arguments& arguments);

// That the results will have a place: --out DIR, made now rather than after an hour, unless
// --detach.
absl::Status CheckOut(const Arguments& arguments);

// Checks the hyperparameters against the catalogue, uploads what the server lacks, and puts the
// job's spec together.
absl::StatusOr<v1::JobSpec> PrepareJob(Invocation& invocation, const JobInputs& inputs);

// Submits the job, safely under retries. The job is durable when this returns OK.
// For calls that must not be made twice: random.
std::string NewRequestId();

absl::StatusOr<v1::Job> CreateJob(client::Connection& connection, const v1::JobSpec& spec);

// The typed value of "--set key=value". INVALID_ARGUMENT says what is wrong, with the nearest
// right spelling of the key.
absl::Status SetHyperparameter(const v1::Method& method, const std::string& key,
                               const std::string& value, v1::JobSpec* spec);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_SUBMISSION_H_
