// An upload, verified and durable, against the two things it cannot do without, in turn: the same
// chunks over gRPC to a service that discards them, and the same bytes written to the same file
// system and synced.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "acclimate/v1/artifact_service.grpc.pb.h"
#include "client/lib/names.h"
#include "server/artifacts/crc32c.h"
#include "server/artifacts/sha256.h"
#include "tests/bench/service/report.h"
#include "tests/bench/service/server_process.h"

ABSL_FLAG(int, rounds, 5, "uploads, each beside one raw stream and one raw write");
ABSL_FLAG(int, mebibytes, 512, "size of an upload");
ABSL_FLAG(int, chunk_kibibytes, 1024, "size of a chunk");

namespace acclimate::bench {
namespace {

using ArtifactStub = v1::ArtifactService::Stub;

constexpr double kRequiredRatio = 0.6;

template <typename Work>
double Seconds(const Work& work) {
  const absl::Time begin = absl::Now();
  work();
  return absl::ToDoubleSeconds(absl::Now() - begin);
}

std::string RandomBytes(int64_t size) {
  std::string bytes(size, '\0');
  std::mt19937_64 random(1);
  for (int64_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    std::memcpy(&bytes[i], &word, sizeof(word));
  }
  return bytes;
}

// Sends `bytes` in chunks, and takes the answer.
v1::Upload Stream(ArtifactStub& stub, const std::string& upload, const std::string& bytes,
                  bool checksums) {
  const size_t chunk_bytes = size_t{1024} * absl::GetFlag(FLAGS_chunk_kibibytes);
  grpc::ClientContext context;
  v1::Upload answer;
  auto writer = stub.WriteUpload(&context, &answer);
  v1::WriteUploadRequest chunk;
  chunk.set_name(upload);
  for (size_t offset = 0; offset < bytes.size(); offset += chunk_bytes) {
    chunk.set_offset(static_cast<int64_t>(offset));
    chunk.mutable_data()->assign(bytes, offset, chunk_bytes);
    if (checksums) chunk.set_crc32c(artifacts::Crc32c(chunk.data()));
    if (!writer->Write(chunk)) break;  // Finish() tells why
  }
  writer->WritesDone();
  Require(writer->Finish(), "WriteUpload");
  if (answer.committed_bytes() != static_cast<int64_t>(bytes.size())) Die("bytes were lost");
  return answer;
}

// To the answer that says: whole, verified, durable. The digest is known beforehand.
double UploadSeconds(ArtifactStub& stub, const std::string& bytes) {
  v1::CreateUploadRequest request;
  request.set_parent(client::kDefaultParent);
  request.set_sha256(artifacts::Sha256Of(bytes));
  request.set_size_bytes(static_cast<int64_t>(bytes.size()));
  return Seconds([&] {
    grpc::ClientContext context;
    v1::Upload upload;
    Require(stub.CreateUpload(&context, request, &upload), "CreateUpload");
    if (!Stream(stub, upload.name(), bytes, /*checksums=*/true).complete()) Die("not complete");
  });
}

double DiskSeconds(const std::string& path, const std::string& bytes) {
  constexpr size_t kPieceBytes = 1 << 20;
  const double seconds = Seconds([&] {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    for (size_t offset = 0; offset < bytes.size(); offset += kPieceBytes) {
      const size_t piece = std::min(kPieceBytes, bytes.size() - offset);
      if (write(file, bytes.data() + offset, piece) != static_cast<ssize_t>(piece)) {
        Die("cannot write " + path);
      }
    }
    if (fdatasync(file) != 0) Die("cannot sync " + path);
    close(file);
  });
  unlink(path.c_str());
  return seconds;
}

struct Rates {
  double stream, disk, upload;  // MiB/s
};

// With a new server, whose blobs go at the end: then all parts write to blocks of the disk that
// were written before. A virtual disk may be ten times slower on those that never were.
Rates MeasureOnce(ArtifactStub& idle_stub, const std::string& bytes) {
  const double mebibytes = absl::GetFlag(FLAGS_mebibytes);
  TemporaryDirectory directory;
  // No slots: no worker starts beside the measurement.
  const auto server = ServerProcess::Acclimated(directory.path(), {"--slots", "0"});
  ArtifactStub stub(server->NewChannel());
  sync();  // no write-back of an earlier part slows this one
  Rates rates;
  rates.stream = mebibytes / Seconds([&] { Stream(idle_stub, "", bytes, /*checksums=*/false); });
  rates.disk = mebibytes / DiskSeconds(directory.path() / "raw", bytes);
  rates.upload = mebibytes / UploadSeconds(stub, bytes);
  return rates;
}

void Run() {
  const int mebibytes = absl::GetFlag(FLAGS_mebibytes);
  TemporaryDirectory directory;
  const auto idler = ServerProcess::Idler(directory.path());
  ArtifactStub idle_stub(idler->NewChannel());
  const std::string bytes = RandomBytes(int64_t{mebibytes} << 20);

  std::vector<double> uploads, streams, disks;
  for (int round = 0; round <= absl::GetFlag(FLAGS_rounds); ++round) {
    const Rates rates = MeasureOnce(idle_stub, bytes);
    if (round == 0) continue;  // warms the disk up
    streams.push_back(rates.stream);
    disks.push_back(rates.disk);
    uploads.push_back(rates.upload);
  }
  const double upload = Median(uploads), stream = Median(streams), disk = Median(disks);
  const double ratio = upload / std::min(stream, disk);
  Print(
      {{"benchmark", "upload"},
       {"mebibytes", mebibytes},
       {"chunk_kibibytes", absl::GetFlag(FLAGS_chunk_kibibytes)},
       {"upload_mebibytes_per_second", Rounded(upload, 0)},
       {"stream_mebibytes_per_second", Rounded(stream, 0)},
       {"disk_mebibytes_per_second", Rounded(disk, 0)},
       {"ratio", Rounded(ratio, 3)},
       {"required_ratio", kRequiredRatio},
       {"met", ratio >= kRequiredRatio}},
      absl::StrFormat("upload of %d MiB %.0f MiB/s, raw stream %.0f, raw disk %.0f: %.0f %% of the "
                      "smaller (required: %.0f %%)",
                      mebibytes, upload, stream, disk, 100 * ratio, 100 * kRequiredRatio));
}

}  // namespace
}  // namespace acclimate::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("An upload against the raw stream and the raw disk.");
  absl::ParseCommandLine(argc, argv);
  acclimate::bench::Run();
  return 0;
}
