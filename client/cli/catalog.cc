#include "client/cli/catalog.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/spelling.h"
#include "client/lib/names.h"

namespace acclimate::cli {

absl::StatusOr<v1::ListMethodsResponse> ListMethods(client::Connection& connection) {
  return connection.Call<v1::ListMethodsResponse>(
      connection.catalog(), &v1::CatalogService::Stub::ListMethods, v1::ListMethodsRequest());
}

absl::StatusOr<v1::Method> FindMethod(client::Connection& connection, const std::string& name) {
  absl::StatusOr<v1::ListMethodsResponse> catalog = ListMethods(connection);
  if (!catalog.ok()) return catalog.status();
  std::vector<std::string> known;
  for (const v1::Method& method : catalog->methods()) {
    known.push_back(client::LastSegment(method.name()));
    if (known.back() == name || method.name() == name) return method;
  }
  const std::string suggestion = DidYouMean(name, known);
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown method \"", name, "\"",
      suggestion.empty() ? absl::StrCat("; there are ", absl::StrJoin(known, ", ")) : suggestion));
}

}  // namespace acclimate::cli
