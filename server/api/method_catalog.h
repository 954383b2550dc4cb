// The methods that this server knows: what CatalogService shows and CreateJob checks against.
#ifndef ACCLIMATE_SERVER_API_METHOD_CATALOG_H_
#define ACCLIMATE_SERVER_API_METHOD_CATALOG_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "acclimate/v1/catalog_service.pb.h"
#include "core/methods/method_spec.h"

namespace acclimate::api {

// Immutable.
class MethodCatalog {
 public:
  explicit MethodCatalog(v1::ListMethodsResponse response);
  // The one that was generated from the registry in core when this program was built.
  static absl::StatusOr<MethodCatalog> BuiltIn();

  const v1::ListMethodsResponse& list() const { return list_; }
  // By "shot"; nullptr: unknown.
  const v1::Method* Find(absl::string_view name) const;
  bool HasArchitecture(absl::string_view name) const;
  std::string MethodNames() const;  // "adabn, coral, ...": for messages
  std::string ArchitectureNames() const;

 private:
  v1::ListMethodsResponse list_;
  std::map<std::string, int, std::less<>> index_;  // into list_.methods()
};

// What core checks a job by: the method's needs and hyperparameters.
methods::MethodSpec ToMethodSpec(const v1::Method& method);

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_METHOD_CATALOG_H_
