// acclimate.v1.CatalogService over the built-in catalogue.
#ifndef ACCLIMATE_SERVER_API_CATALOG_SERVICE_H_
#define ACCLIMATE_SERVER_API_CATALOG_SERVICE_H_

#include "acclimate/v1/catalog_service.grpc.pb.h"
#include "server/api/method_catalog.h"
#include "server/api/rpc.h"

namespace acclimate::api {

// The references outlive the service.
class CatalogService final : public v1::CatalogService::Service {
 public:
  CatalogService(const MethodCatalog& catalog, CallGate& gate) : catalog_(catalog), gate_(gate) {}

  grpc::Status ListMethods(grpc::ServerContext* context, const v1::ListMethodsRequest* request,
                           v1::ListMethodsResponse* response) override;
  grpc::Status GetMethod(grpc::ServerContext* context, const v1::GetMethodRequest* request,
                         v1::Method* response) override;

 private:
  const MethodCatalog& catalog_;
  CallGate& gate_;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_CATALOG_SERVICE_H_
