#include "server/api/artifact_service.h"

#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/api/tenant_access.h"
#include "server/artifacts/crc32c.h"
#include "server/artifacts/file_system.h"
#include "server/base/errors.h"
#include "server/base/log.h"
#include "server/base/proto_time.h"

namespace acclimate::api {
namespace {

constexpr int kMaxBlobsInQuestion = 10'000;
constexpr int kMaxUploads = 1024;  // at a time, each with a thread

void ToProto(const artifacts::UploadInfo& info, v1::Upload& upload) {
  upload.set_name(UploadName(info.tenant, info.id));
  upload.set_blob(BlobName(info.tenant, info.sha256));
  upload.set_size_bytes(info.size_bytes);
  upload.set_committed_bytes(info.committed_bytes);
  upload.set_complete(info.complete);
}

// Of a damaged blob: which byte is the first that is not sent.
absl::Status AtOffset(int64_t offset, const std::string& sha256, const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return status;
  return ErrorWithReason(v1::BLOB_DAMAGED, status.message(),
                         {{"sha256", sha256}, {"offset", absl::StrCat(offset)}});
}

}  // namespace

grpc::Status ArtifactService::FindMissingBlobs(grpc::ServerContext* context,
                                               const v1::FindMissingBlobsRequest* request,
                                               v1::FindMissingBlobsResponse* response) {
  return gate_.Run(
      *context, "acclimate.v1.ArtifactService/FindMissingBlobs",
      [&](Caller& caller) -> absl::Status {
        absl::StatusOr<std::string> tenant = TenantOfParent(request->parent(), caller);
        if (!tenant.ok()) return tenant.status();
        if (request->blobs_size() > kMaxBlobsInQuestion) {
          return BadRequest("blobs", absl::StrCat("at most ", kMaxBlobsInQuestion, "; are ",
                                                  request->blobs_size()));
        }
        absl::StatusOr<artifacts::BlobStore*> blobs = stores_.BlobsOf(*tenant);
        if (!blobs.ok()) return blobs.status();
        std::vector<FieldViolation> violations;
        for (int i = 0; i < request->blobs_size(); ++i) {
          absl::StatusOr<ResourceName> blob = ParseBlobName(request->blobs(i));
          if (!blob.ok() || blob->tenant != *tenant) {
            violations.push_back({absl::StrCat("blobs[", i, "]"),
                                  blob.ok() ? absl::StrCat("belongs to the tenant ", blob->tenant)
                                            : std::string(blob.status().message())});
          } else if (absl::Status found = (*blobs)->Hold(blob->id).status();
                     absl::IsNotFound(found) || absl::IsDataLoss(found)) {
            response->add_missing(request->blobs(i));
          } else if (!found.ok()) {
            return found;
          }
        }
        return violations.empty() ? absl::OkStatus() : BadRequest(violations);
      });
}

grpc::Status ArtifactService::CreateUpload(grpc::ServerContext* context,
                                           const v1::CreateUploadRequest* request,
                                           v1::Upload* response) {
  return gate_.Run(
      *context, "acclimate.v1.ArtifactService/CreateUpload", [&](Caller& caller) -> absl::Status {
        absl::StatusOr<std::string> tenant = TenantOfParent(request->parent(), caller);
        if (!tenant.ok()) return tenant.status();
        std::vector<FieldViolation> violations;
        const std::string sha256 = absl::AsciiStrToLower(request->sha256());
        if (!IsSha256(sha256)) {
          violations.push_back(
              {"sha256", absl::StrCat("must be 64 hex digits; is \"", request->sha256(), "\"")});
        }
        if (request->size_bytes() <= 0) {
          violations.push_back(
              {"size_bytes", absl::StrCat("must be positive; is ", request->size_bytes())});
        }
        if (!violations.empty()) return BadRequest(violations);
        absl::StatusOr<artifacts::UploadStore*> uploads = stores_.UploadsOf(*tenant);
        if (!uploads.ok()) return uploads.status();
        absl::StatusOr<artifacts::UploadInfo> upload =
            (*uploads)->Create(*tenant, sha256, request->size_bytes());
        if (upload.ok()) ToProto(*upload, *response);
        return upload.status();
      });
}

grpc::ServerReadReactor<grpc::ByteBuffer>* ArtifactService::WriteUpload(
    grpc::CallbackServerContext* context, grpc::ByteBuffer* response) {
  auto* const stream = new UploadStream(UploadPace(min_upload_rate_));
  if (uploads_.fetch_add(1) >= kMaxUploads) {
    --uploads_;
    stream->Finish(ToGrpcStatus(WithRetryAfter(
        absl::ResourceExhaustedError(absl::StrCat("the server receives ", kMaxUploads, " uploads")),
        absl::Seconds(5))));
    return stream;
  }
  std::thread([this, context, response, stream] {
    v1::Upload upload;
    const grpc::Status status =
        gate_.Run(*context, "acclimate.v1.ArtifactService/WriteUpload",
                  [&](Caller& caller) { return ReceiveUpload(*stream, caller, upload); });
    bool own_buffer = false;
    grpc::SerializationTraits<v1::Upload>::Serialize(upload, response, &own_buffer);
    --uploads_;
    stream->Finish(status);
  }).detach();
  return stream;
}

absl::Status ArtifactService::ReceiveUpload(UploadStream& stream, Caller& caller,
                                            v1::Upload& response) {
  absl::StatusOr<v1::WriteUploadRequest*> chunk = stream.Read();
  if (!chunk.ok()) return NoteEnd(chunk.status());
  if (*chunk == nullptr) return BadRequest("name", "the stream has no message");
  absl::StatusOr<ResourceName> name = UploadOfName((*chunk)->name(), caller);
  if (!name.ok()) return name.status();
  const std::string first_name = (*chunk)->name();
  absl::StatusOr<artifacts::UploadStore*> uploads = stores_.UploadsOf(name->tenant);
  if (!uploads.ok()) return uploads.status();
  auto writer = (*uploads)->Write(name->tenant, name->id);
  if (!writer.ok()) return writer.status();
  for (; chunk.ok() && *chunk != nullptr; chunk = stream.Read()) {
    if (absl::Status status = gate_.CheckTakesWork(); !status.ok()) return status;
    v1::WriteUploadRequest& next = **chunk;
    if (!next.name().empty() && next.name() != first_name) {
      return BadRequest("name", absl::StrCat("the stream began with ", first_name));
    }
    absl::Status status =
        (*writer)->Append(next.offset(), std::move(*next.mutable_data()), next.crc32c());
    if (!status.ok()) return status;
  }
  absl::StatusOr<artifacts::UploadInfo> upload = (*writer)->Finish();
  if (!chunk.ok()) return NoteEnd(chunk.status());
  if (upload.ok()) ToProto(*upload, response);
  return upload.status();
}

absl::Status ArtifactService::NoteEnd(const absl::Status& status) {
  if (absl::IsAborted(status)) metrics_.CountLimitedCall("upload_rate");
  return status;
}

grpc::Status ArtifactService::GetUpload(grpc::ServerContext* context,
                                        const v1::GetUploadRequest* request, v1::Upload* response) {
  return gate_.Run(
      *context, "acclimate.v1.ArtifactService/GetUpload", [&](Caller& caller) -> absl::Status {
        absl::StatusOr<ResourceName> name = UploadOfName(request->name(), caller);
        if (!name.ok()) return name.status();
        absl::StatusOr<artifacts::UploadStore*> uploads = stores_.UploadsOf(name->tenant);
        if (!uploads.ok()) return uploads.status();
        absl::StatusOr<artifacts::UploadInfo> upload = (*uploads)->Get(name->tenant, name->id);
        if (upload.ok()) ToProto(*upload, *response);
        return upload.status();
      });
}

grpc::Status ArtifactService::AbortUpload(grpc::ServerContext* context,
                                          const v1::AbortUploadRequest* request,
                                          google::protobuf::Empty*) {
  return gate_.Run(
      *context, "acclimate.v1.ArtifactService/AbortUpload", [&](Caller& caller) -> absl::Status {
        absl::StatusOr<ResourceName> name = UploadOfName(request->name(), caller);
        if (!name.ok()) return name.status();
        absl::StatusOr<artifacts::UploadStore*> uploads = stores_.UploadsOf(name->tenant);
        if (!uploads.ok()) return uploads.status();
        return (*uploads)->Abort(name->tenant, name->id);
      });
}

grpc::Status ArtifactService::GetBlob(grpc::ServerContext* context,
                                      const v1::GetBlobRequest* request, v1::Blob* response) {
  return gate_.Run(*context, "acclimate.v1.ArtifactService/GetBlob",
                   [&](Caller& caller) -> absl::Status {
                     absl::StatusOr<ResourceName> name = BlobOfName(request->name(), caller);
                     if (!name.ok()) return name.status();
                     return DescribeBlob(*name, *response);
                   });
}

absl::Status ArtifactService::DescribeBlob(const ResourceName& name, v1::Blob& response) {
  absl::StatusOr<artifacts::BlobStore*> blobs = stores_.BlobsOf(name.tenant);
  if (!blobs.ok()) return blobs.status();
  absl::StatusOr<artifacts::BlobInfo> blob = (*blobs)->Get(name.id);
  if (!blob.ok()) return blob.status();
  response.set_name(BlobName(name.tenant, name.id));
  response.set_size_bytes(blob->size_bytes);
  *response.mutable_create_time() = ToProtoTimestamp(blob->create_time);
  response.set_pinned(blob->pinned);
  return absl::OkStatus();
}

grpc::Status ArtifactService::PinBlob(grpc::ServerContext* context,
                                      const v1::PinBlobRequest* request, v1::Blob* response) {
  return gate_.Run(*context, "acclimate.v1.ArtifactService/PinBlob", [&](Caller& caller) {
    return SetPinned(request->name(), true, caller, *response);
  });
}

grpc::Status ArtifactService::UnpinBlob(grpc::ServerContext* context,
                                        const v1::UnpinBlobRequest* request, v1::Blob* response) {
  return gate_.Run(*context, "acclimate.v1.ArtifactService/UnpinBlob", [&](Caller& caller) {
    return SetPinned(request->name(), false, caller, *response);
  });
}

absl::Status ArtifactService::SetPinned(const std::string& name, bool pinned, Caller& caller,
                                        v1::Blob& response) {
  absl::StatusOr<ResourceName> blob = BlobOfName(name, caller);
  if (!blob.ok()) return blob.status();
  absl::StatusOr<artifacts::BlobStore*> blobs = stores_.BlobsOf(blob->tenant);
  if (!blobs.ok()) return blobs.status();
  if (absl::Status status = (*blobs)->SetPinned(blob->id, pinned); !status.ok()) return status;
  return DescribeBlob(*blob, response);
}

grpc::Status ArtifactService::ReadBlob(grpc::ServerContext* context,
                                       const v1::ReadBlobRequest* request,
                                       grpc::ServerWriter<v1::ReadBlobResponse>* writer) {
  return gate_.Run(*context, "acclimate.v1.ArtifactService/ReadBlob",
                   [&](Caller& caller) { return SendBlob(*request, caller, *writer); });
}

absl::Status ArtifactService::SendBlob(const v1::ReadBlobRequest& request, Caller& caller,
                                       grpc::ServerWriter<v1::ReadBlobResponse>& writer) {
  absl::StatusOr<ResourceName> name = BlobOfName(request.name(), caller);
  if (!name.ok()) return name.status();
  if (request.offset() < 0) return BadRequest("offset", "must not be negative");
  if (request.limit() < 0) return BadRequest("limit", "must not be negative");
  absl::StatusOr<artifacts::BlobStore*> blobs = stores_.BlobsOf(name->tenant);
  if (!blobs.ok()) return blobs.status();
  absl::StatusOr<artifacts::BlobInfo> blob = (*blobs)->Get(name->id);
  if (!blob.ok()) return AtOffset(request.offset(), name->id, blob.status());
  if (request.offset() > blob->size_bytes) {
    return absl::OutOfRangeError(absl::StrCat("offset is ", request.offset(), "; the blob has ",
                                              blob->size_bytes, " bytes"));
  }
  absl::StatusOr<std::unique_ptr<artifacts::BlobReader>> reader = (*blobs)->Open(name->id);
  if (!reader.ok()) return AtOffset(request.offset(), name->id, reader.status());

  const int64_t available = blob->size_bytes - request.offset();
  const int64_t end =
      request.offset() + (request.limit() == 0 ? available : std::min(request.limit(), available));
  v1::ReadBlobResponse response;
  for (int64_t offset = request.offset(); offset < end;) {
    const int64_t size = std::min<int64_t>(end - offset, artifacts::kMaxChunkBytes);
    absl::Status status =
        (*reader)->ReadAt(offset, static_cast<size_t>(size), *response.mutable_data());
    // It was whole when it was opened: looked at again, it is quarantined.
    if (absl::IsDataLoss(status)) status = (*blobs)->Open(name->id).status();
    if (!status.ok()) return AtOffset(offset, name->id, status);
    response.set_offset(offset);
    response.set_crc32c(artifacts::Crc32c(response.data()));
    if (!writer.Write(response)) return absl::CancelledError("the client has gone");
    metrics_.AddDownloadedBytes(size);
    offset += size;
  }
  return absl::OkStatus();
}

}  // namespace acclimate::api
