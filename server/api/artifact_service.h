// acclimate.v1.ArtifactService over the stores of blobs and uploads.
#ifndef ACCLIMATE_SERVER_API_ARTIFACT_SERVICE_H_
#define ACCLIMATE_SERVER_API_ARTIFACT_SERVICE_H_

#include <atomic>
#include <cstdint>

#include "acclimate/v1/artifact_service.grpc.pb.h"
#include "server/api/rpc.h"
#include "server/api/upload_stream.h"
#include "server/artifacts/tenant_stores.h"
#include "server/base/resource_names.h"
#include "server/metrics/server_metrics.h"

namespace acclimate::api {

// WriteUpload has a thread of its own for each call, since a client may take any time between two
// chunks: none of those that answer other calls waits for it. It reads messages as bytes, to tell
// one that is no chunk from the end of the stream.
using MixedArtifactService =
    v1::ArtifactService::WithRawCallbackMethod_WriteUpload<v1::ArtifactService::Service>;

// The references outlive the service, which outlives the calls that it has taken.
class ArtifactService final : public MixedArtifactService {
 public:
  // `min_upload_rate`: in bytes a second; 0: any.
  ArtifactService(artifacts::TenantStores& stores, CallGate& gate, metrics::ServerMetrics& metrics,
                  int64_t min_upload_rate)
      : stores_(stores), gate_(gate), metrics_(metrics), min_upload_rate_(min_upload_rate) {}

  grpc::Status FindMissingBlobs(grpc::ServerContext* context,
                                const v1::FindMissingBlobsRequest* request,
                                v1::FindMissingBlobsResponse* response) override;
  grpc::Status CreateUpload(grpc::ServerContext* context, const v1::CreateUploadRequest* request,
                            v1::Upload* response) override;
  grpc::ServerReadReactor<grpc::ByteBuffer>* WriteUpload(grpc::CallbackServerContext* context,
                                                         grpc::ByteBuffer* response) override;
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
  absl::Status ReceiveUpload(UploadStream& stream, Caller& caller, v1::Upload& response);
  // Counts an upload that was too slow.
  absl::Status NoteEnd(const absl::Status& status);
  absl::Status DescribeBlob(const ResourceName& name, v1::Blob& response);
  absl::Status SetPinned(const std::string& name, bool pinned, Caller& caller, v1::Blob& response);
  absl::Status SendBlob(const v1::ReadBlobRequest& request, Caller& caller,
                        grpc::ServerWriter<v1::ReadBlobResponse>& writer);

  artifacts::TenantStores& stores_;
  CallGate& gate_;
  metrics::ServerMetrics& metrics_;
  const int64_t min_upload_rate_;
  std::atomic<int> uploads_ = 0;  // threads that receive one
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_ARTIFACT_SERVICE_H_
