// Looks methods up, with the nearest right spelling of one that does not exist.
#ifndef ACCLIMATE_CLIENT_CLI_CATALOG_H_
#define ACCLIMATE_CLIENT_CLI_CATALOG_H_

#include <string>

#include "absl/status/statusor.h"
#include "acclimate/v1/catalog_service.pb.h"
#include "client/lib/connection.h"

namespace acclimate::cli {

absl::StatusOr<v1::ListMethodsResponse> ListMethods(client::Connection& connection);
// INVALID_ARGUMENT: there is none of that name.
absl::StatusOr<v1::Method> FindMethod(client::Connection& connection, const std::string& name);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_CATALOG_H_
