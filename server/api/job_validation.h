// Everything that can be known to be wrong with a job before it runs.
#ifndef ACCLIMATE_SERVER_API_JOB_VALIDATION_H_
#define ACCLIMATE_SERVER_API_JOB_VALIDATION_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "acclimate/v1/job_service.pb.h"
#include "server/api/method_catalog.h"
#include "server/artifacts/blob_store.h"

namespace acclimate::api {

// OK, or
//   INVALID_ARGUMENT with a BadRequest of every field at fault, blobs that do not exist included;
//   NOT_FOUND when such blobs are all that is wrong.
// `holds` keep the others; the caller lets them go once the job is durable.
absl::Status ValidateCreateJob(const v1::CreateJobRequest& request, const MethodCatalog& catalog,
                               artifacts::BlobStore& blobs,
                               std::vector<artifacts::BlobHold>& holds);

// auto, cpu, cuda or cuda:<i>; empty is auto.
bool IsDevice(absl::string_view text);

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_JOB_VALIDATION_H_
