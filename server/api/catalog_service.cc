#include "server/api/catalog_service.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/api/rpc.h"
#include "server/base/errors.h"

namespace acclimate::api {

grpc::Status CatalogService::ListMethods(grpc::ServerContext*, const v1::ListMethodsRequest*,
                                         v1::ListMethodsResponse* response) {
  return RunCall(metrics_, "acclimate.v1.CatalogService/ListMethods", [&] {
    *response = catalog_.list();
    return absl::OkStatus();
  });
}

grpc::Status CatalogService::GetMethod(grpc::ServerContext*, const v1::GetMethodRequest* request,
                                       v1::Method* response) {
  return RunCall(metrics_, "acclimate.v1.CatalogService/GetMethod", [&]() -> absl::Status {
    absl::string_view name = request->name();
    if (!absl::ConsumePrefix(&name, "methods/") || name.empty()) {
      return BadRequest("name", absl::StrCat("must have the form methods/{method}; is \"",
                                             request->name(), "\""));
    }
    const v1::Method* method = catalog_.Find(name);
    if (method == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("there is no method ", name, "; there are: ", catalog_.MethodNames()));
    }
    *response = *method;
    return absl::OkStatus();
  });
}

}  // namespace acclimate::api
