#include "tests/reliability/blob_bytes.h"

#include "client/lib/names.h"
#include "gtest/gtest.h"
#include "server/artifacts/crc32c.h"
#include "server/artifacts/sha256.h"

namespace acclimate::reliability {

absl::StatusOr<std::string> ReadBlob(client::Connection& connection, const std::string& blob) {
  client::Retry retry(connection);
  while (true) {
    grpc::ClientContext context;
    v1::ReadBlobRequest request;
    request.set_name(blob);
    const auto reader = connection.artifacts().ReadBlob(&context, request);
    v1::ReadBlobResponse chunk;
    std::string bytes;
    while (reader->Read(&chunk)) {
      EXPECT_EQ(chunk.offset(), static_cast<int64_t>(bytes.size())) << blob;
      EXPECT_EQ(chunk.crc32c(), artifacts::Crc32c(chunk.data())) << blob;
      bytes += chunk.data();
    }
    const absl::Status status = client::FromGrpc(reader->Finish());
    if (status.ok()) {
      EXPECT_EQ(artifacts::Sha256Of(bytes), client::LastSegment(blob));
      return bytes;
    }
    if (!retry.WaitAfter(status)) return status;
  }
}

void ExpectResultReadable(client::Connection& connection, const v1::Job& job) {
  for (const v1::OutputFile& file : job.result().files()) {
    const absl::StatusOr<std::string> bytes = ReadBlob(connection, file.blob());
    ASSERT_TRUE(bytes.ok()) << job.name() << ", " << file.name() << ": " << bytes.status();
    EXPECT_EQ(static_cast<int64_t>(bytes->size()), file.size_bytes()) << file.name();
  }
  if (client::HasEnded(job.state()) || job.checkpoint().blob().empty()) return;
  const absl::Status status = ReadBlob(connection, job.checkpoint().blob()).status();
  EXPECT_TRUE(status.ok()) << job.name() << ", its checkpoint: " << status;
}

std::string ModelOf(const v1::Job& job) {
  for (const v1::OutputFile& file : job.result().files()) {
    if (file.name().rfind("model.", 0) == 0) return file.blob();
  }
  return "";
}

}  // namespace acclimate::reliability
