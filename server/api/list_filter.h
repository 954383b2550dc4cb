// The filter of ListJobs: terms joined by AND, as `state=RUNNING AND label.team=vision`.
#ifndef ACCLIMATE_SERVER_API_LIST_FILTER_H_
#define ACCLIMATE_SERVER_API_LIST_FILTER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/jobs/job_store.h"

namespace acclimate::api {

// Sets state, method and labels of the query. INVALID_ARGUMENT names the term.
absl::Status ParseListFilter(absl::string_view filter, jobs::JobQuery& query);

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_LIST_FILTER_H_
