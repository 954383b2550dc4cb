#include "client/lib/uploader.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/lib/names.h"
#include "google/protobuf/empty.pb.h"
#include "server/artifacts/crc32c.h"

namespace acclimate::client {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;

absl::Status About(const std::string& path, const absl::Status& status) {
  absl::Status named(status.code(), absl::StrCat(path, ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { named.SetPayload(url, payload); });
  return named;
}

}  // namespace

absl::StatusOr<std::vector<UploadedFile>> Uploader::Upload(const std::vector<std::string>& paths) {
  std::map<std::string, FileDigest> digests;  // by path
  v1::FindMissingBlobsRequest request;
  request.set_parent(connection_.Parent());
  for (const std::string& path : paths) {
    if (digests.count(path) > 0) continue;
    absl::StatusOr<FileDigest> digest = DigestFile(path);
    if (!digest.ok()) return digest.status();
    if (digest->size_bytes == 0) return absl::InvalidArgumentError(path + " is empty");
    request.add_blobs(BlobName(digest->sha256, connection_.Parent()));
    digests.emplace(path, *digest);
  }
  absl::StatusOr<v1::FindMissingBlobsResponse> response =
      connection_.Call<v1::FindMissingBlobsResponse>(
          connection_.artifacts(), &v1::ArtifactService::Stub::FindMissingBlobs, request);
  if (!response.ok()) return response.status();
  const std::set<std::string> missing(response->missing().begin(), response->missing().end());

  std::vector<UploadedFile> uploaded;
  std::set<std::string> sent;
  for (const std::string& path : paths) {
    const FileDigest& digest = digests.at(path);
    UploadedFile file{path, BlobName(digest.sha256, connection_.Parent()), digest.size_bytes, true};
    if (missing.count(file.blob) > 0) {
      file.existed = false;
      if (sent.insert(file.blob).second) {
        absl::Status status = Send(path, digest);
        if (!status.ok()) return About(path, status);
      }
    }
    uploaded.push_back(std::move(file));
  }
  return uploaded;
}

absl::Status Uploader::Send(const std::string& path, const FileDigest& digest) {
  absl::StatusOr<LocalFile> file = LocalFile::OpenForUpload(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<v1::Upload> upload = CreateUpload(digest);
  Retry retry(connection_);
  while (upload.ok() && !upload->complete()) {
    absl::StatusOr<v1::Upload> next = Stream(*file, *upload);
    if (next.ok() && !next->complete() && next->committed_bytes() <= upload->committed_bytes()) {
      AbortUpload(upload->name()).IgnoreError();  // these bytes will never come
      return absl::DataLossError("the file became shorter while it was being uploaded");
    }
    if (!next.ok()) {
      if (!retry.WaitAfter(next.status())) return connection_.Explained(next.status());
      next = Resume(digest, upload->name());
      if (next.ok() && next->committed_bytes() > upload->committed_bytes()) retry.NoteProgress();
    }
    upload = std::move(next);
  }
  if (upload.ok() && listener_) listener_(path, digest.size_bytes, digest.size_bytes);
  return upload.status();
}

absl::StatusOr<bool> Uploader::Abort(const std::string& path) {
  absl::StatusOr<FileDigest> digest = DigestFile(path);
  if (!digest.ok()) return digest.status();
  // Finds the upload that did not end; where there was none, this makes one of no bytes.
  absl::StatusOr<v1::Upload> upload = CreateUpload(*digest);
  if (!upload.ok()) return About(path, upload.status());
  if (absl::Status status = AbortUpload(upload->name()); !status.ok()) return About(path, status);
  return !upload->complete() && upload->committed_bytes() > 0;
}

absl::Status Uploader::AbortUpload(const std::string& name) {
  v1::AbortUploadRequest request;
  request.set_name(name);
  return connection_
      .Call<google::protobuf::Empty>(connection_.artifacts(),
                                     &v1::ArtifactService::Stub::AbortUpload, request)
      .status();
}

absl::StatusOr<v1::Upload> Uploader::CreateUpload(const FileDigest& digest) {
  v1::CreateUploadRequest request;
  request.set_parent(connection_.Parent());
  request.set_sha256(digest.sha256);
  request.set_size_bytes(digest.size_bytes);
  return connection_.Call<v1::Upload>(connection_.artifacts(),
                                      &v1::ArtifactService::Stub::CreateUpload, request);
}

absl::StatusOr<v1::Upload> Uploader::Stream(const LocalFile& file, const v1::Upload& upload) {
  grpc::ClientContext context;
  connection_.Prepare(context);
  v1::Upload answer;
  auto writer = connection_.artifacts().WriteUpload(&context, &answer);
  v1::WriteUploadRequest chunk;
  chunk.set_name(upload.name());
  int64_t offset = upload.committed_bytes();
  // Once also where every byte has arrived, but not the end of the stream: one chunk without data.
  do {
    absl::Status status = file.ReadAt(offset, kChunkBytes, chunk.mutable_data());
    if (!status.ok() || (chunk.data().empty() && offset < upload.size_bytes())) break;
    chunk.set_offset(offset);
    chunk.set_crc32c(artifacts::Crc32c(chunk.data()));
    if (!writer->Write(chunk)) break;  // Finish() tells why
    offset += chunk.data().size();
    if (listener_) listener_(file.path(), offset, upload.size_bytes());
  } while (offset < upload.size_bytes());
  writer->WritesDone();
  absl::Status status = FromGrpc(writer->Finish());
  if (!status.ok()) return status;
  connection_.NoteReached();
  return answer;
}

absl::StatusOr<v1::Upload> Uploader::Resume(const FileDigest& digest, const std::string& name) {
  v1::GetUploadRequest request;
  request.set_name(name);
  absl::StatusOr<v1::Upload> upload = connection_.Call<v1::Upload>(
      connection_.artifacts(), &v1::ArtifactService::Stub::GetUpload, request);
  if (absl::IsNotFound(upload.status())) return CreateUpload(digest);
  return upload;
}

}  // namespace acclimate::client
