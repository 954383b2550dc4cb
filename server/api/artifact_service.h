// acclimate.v1.ArtifactService over the stores of blobs and uploads.
#ifndef ACCLIMATE_SERVER_API_ARTIFACT_SERVICE_H_
#define ACCLIMATE_SERVER_API_ARTIFACT_SERVICE_H_

#include "acclimate/v1/artifact_service.grpc.pb.h"
#include "server/api/rpc.h"
#include "server/artifacts/tenant_stores.h"
#include "server/base/resource_names.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::api {

// The references outlive the service.
class ArtifactService final : public v1::ArtifactService::Service {
 public:
  ArtifactService(artifacts::TenantStores& stores, CallGate& gate, metrics::ServerMetrics& metrics)
      : stores_(stores), gate_(gate), metrics_(metrics) {}

  grpc::Status FindMissingBlobs(grpc::ServerContext* context,
                                const v1::FindMissingBlobsRequest* request,
                                v1::FindMissingBlobsResponse* response) override;
  grpc::Status CreateUpload(grpc::ServerContext* context, const v1::CreateUploadRequest* request,
                            v1::Upload* response) override;
  grpc::Status WriteUpload(grpc::ServerContext* context,
                           grpc::ServerReader<v1::WriteUploadRequest>* reader,
                           v1::Upload* response) override;
  grpc::Status GetUpload(grpc::ServerContext* context, const v1::GetUploadRequest* request,
                         v1::Upload* response) override;
  grpc::Status AbortUpload(grpc::ServerContext* context, const v1::AbortUploadRequest* request,
                           google::protobuf::Empty* response) override;
  grpc::Status GetBlob(grpc::ServerContext* context, const v1::GetBlobRequest* request,
                       v1::Blob* response) override;
  grpc::Status PinBlob(grpc::ServerContext* context, const v1::PinBlobRequest* request,
                       v1::Blob* response) override;
  grpc::Status UnpinBlob(grpc::ServerContext* context, const v1::UnpinBlobRequest* request,
                         v1::Blob* response) override;
  grpc::Status ReadBlob(grpc::ServerContext* context, const v1::ReadBlobRequest* request,
                        grpc::ServerWriter<v1::ReadBlobResponse>* writer) override;

 private:
  absl::Status ReceiveUpload(grpc::ServerReader<v1::WriteUploadRequest>& reader, Caller& caller,
                             v1::Upload& response);
  absl::Status DescribeBlob(const ResourceName& name, v1::Blob& response);
  absl::Status SetPinned(const std::string& name, bool pinned, Caller& caller, v1::Blob& response);
  absl::Status SendBlob(const v1::ReadBlobRequest& request, Caller& caller,
                        grpc::ServerWriter<v1::ReadBlobResponse>& writer);

  artifacts::TenantStores& stores_;
  CallGate& gate_;
  metrics::ServerMetrics& metrics_;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_ARTIFACT_SERVICE_H_
