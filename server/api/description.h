// What docs/reference.md says of the server beside its flags, as a JSON document: every metric,
// every error reason, every cause of an attempt's end.
#ifndef ACCLIMATE_SERVER_API_DESCRIPTION_H_
#define ACCLIMATE_SERVER_API_DESCRIPTION_H_

#include <string>

namespace acclimate::api {

std::string DescribeServer();

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_DESCRIPTION_H_
