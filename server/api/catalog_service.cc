#include "server/api/catalog_service.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/errors.h"

namespace acclimate::api {

grpc::Status CatalogService::ListMethods(grpc::ServerContext* context,
                                         const v1::ListMethodsRequest*,
                                         v1::ListMethodsResponse* response) {
  return gate_.Run(*context, "acclimate.v1.CatalogService/ListMethods", [&](Caller&) {
    *response = catalog_.list();
    return absl::OkStatus();
  });
}

grpc::Status CatalogService::GetMethod(grpc::ServerContext* context,
                                       const v1::GetMethodRequest* request, v1::Method* response) {
  return gate_.Run(*context, "acclimate.v1.CatalogService/GetMethod", [&](Caller&) -> absl::Status {
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
