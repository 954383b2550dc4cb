#include "client/lib/downloader.h"

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "client/lib/names.h"
#include "server/artifacts/crc32c.h"

namespace acclimate::client {
namespace {

absl::Status PutInPlace(const std::string& part, const std::string& path,
                        const std::string& sha256) {
  absl::StatusOr<FileDigest> digest = DigestFile(part);
  if (!digest.ok()) return digest.status();
  if (digest->sha256 != sha256) {
    std::remove(part.c_str());
    return absl::DataLossError(
        absl::StrCat(path, ": the bytes received have SHA-256 ", digest->sha256, ", not ", sha256));
  }
  if (std::rename(part.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot rename ", part, " to ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Downloader::Download(const std::string& blob, const std::string& path) {
  v1::GetBlobRequest request;
  request.set_name(blob);
  absl::StatusOr<v1::Blob> info = connection_.Call<v1::Blob>(
      connection_.artifacts(), &v1::ArtifactService::Stub::GetBlob, request);
  if (!info.ok()) return info.status();

  const std::string sha256 = LastSegment(blob);
  const std::string part = absl::StrCat(path, ".", sha256.substr(0, 12), ".part");
  {
    absl::StatusOr<LocalFile> file = LocalFile::OpenForWriting(part);
    if (!file.ok()) return file.status();
    absl::StatusOr<int64_t> offset = file->SizeBytes();
    if (!offset.ok()) return offset.status();
    Retry retry(connection_);
    while (*offset < info->size_bytes()) {
      const int64_t before = *offset;
      absl::Status status = Stream(blob, info->size_bytes(), path, *file, &*offset);
      if (*offset > before) retry.NoteProgress();
      if (!status.ok() && !retry.WaitAfter(status)) return status;
    }
    absl::Status synced = file->Sync();
    if (!synced.ok()) return synced;
  }
  return PutInPlace(part, path, sha256);
}

absl::Status Downloader::Stream(const std::string& blob, int64_t size_bytes,
                                const std::string& path, LocalFile& file, int64_t* offset) {
  grpc::ClientContext context;
  connection_.Prepare(context);
  v1::ReadBlobRequest request;
  request.set_name(blob);
  request.set_offset(*offset);
  auto reader = connection_.artifacts().ReadBlob(&context, request);
  absl::Status local;
  v1::ReadBlobResponse chunk;
  while (local.ok() && reader->Read(&chunk)) {
    if (chunk.offset() != *offset || artifacts::Crc32c(chunk.data()) != chunk.crc32c()) {
      local = absl::UnavailableError(
          absl::StrCat(blob, ": the chunk at byte ", *offset, " arrived damaged"));
      break;
    }
    local = file.WriteAt(*offset, chunk.data());
    if (!local.ok()) break;
    *offset += chunk.data().size();
    if (listener_) listener_(path, *offset, size_bytes);
  }
  if (!local.ok()) context.TryCancel();
  absl::Status remote = FromGrpc(reader->Finish());
  if (!local.ok()) return local;
  if (remote.ok() && *offset < size_bytes) {
    return absl::UnavailableError(absl::StrCat(blob, ": the stream ended at byte ", *offset));
  }
  return remote;
}

}  // namespace acclimate::client
