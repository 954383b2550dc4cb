// acclimate.v1.CatalogService over the built-in catalogue.
#ifndef ACCLIMATE_SERVER_API_CATALOG_SERVICE_H_
#define ACCLIMATE_SERVER_API_CATALOG_SERVICE_H_

#include "acclimate/v1/catalog_service.grpc.pb.h"
#include "server/api/method_catalog.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::api {

// The references outlive the service.
class CatalogService final : public v1::CatalogService::Service {
 public:
  CatalogService(const MethodCatalog& catalog, metrics::ServerMetrics& metrics)
      : catalog_(catalog), metrics_(metrics) {}

  grpc::Status ListMethods(grpc::ServerContext* context, const v1::ListMethodsRequest* request,
                           v1::ListMethodsResponse* response) override;
  grpc::Status GetMethod(grpc::ServerContext* context, const v1::GetMethodRequest* request,
                         v1::Method* response) override;

 private:
  const MethodCatalog& catalog_;
  metrics::ServerMetrics& metrics_;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_CATALOG_SERVICE_H_
