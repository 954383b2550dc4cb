#include "server/artifacts/scrubber.h"

#include <utility>
#include <vector>

#include "server/base/log.h"

namespace acclimate::artifacts {
namespace {

constexpr int kBlobsInAPage = 64;
constexpr char kAfterAllDigests[] = "g";

}  // namespace

Scrubbed Scrubber::Run(const Rest& rest) {
  Scrubbed scrubbed;
  for (const std::string& tenant : stores_.Tenants()) {
    absl::StatusOr<BlobStore*> blobs = stores_.BlobsOf(tenant);
    absl::Status status = blobs.status();
    if (status.ok()) status = ScrubOf(**blobs, start_, kAfterAllDigests, rest, scrubbed);
    if (status.ok() && !start_.empty()) status = ScrubOf(**blobs, "", start_, rest, scrubbed);
    if (absl::IsCancelled(status)) return scrubbed;
    if (!status.ok()) LogWarning("blobs not scrubbed", {{"tenant", tenant}, {"error", status}});
  }
  LogInfo("blobs scrubbed", {{"blobs", scrubbed.blobs}, {"damaged", scrubbed.damaged}});
  return scrubbed;
}

absl::Status Scrubber::ScrubOf(BlobStore& blobs, std::string after, const std::string& last,
                               const Rest& rest, Scrubbed& scrubbed) {
  while (true) {
    const absl::StatusOr<std::vector<BlobInfo>> page = blobs.List(after, kBlobsInAPage);
    if (!page.ok()) return page.status();
    if (page->empty()) return absl::OkStatus();
    for (const BlobInfo& blob : *page) {
      if (blob.sha256 > last) return absl::OkStatus();
      const absl::Status status = blobs.Verify(blob.sha256, rest);
      if (absl::IsCancelled(status)) return status;
      if (absl::IsNotFound(status)) continue;  // collected meanwhile
      if (!status.ok() && !absl::IsDataLoss(status)) {
        LogWarning("a blob cannot be scrubbed", {{"sha256", blob.sha256}, {"error", status}});
        continue;
      }
      ++scrubbed.blobs;
      if (!status.ok()) ++scrubbed.damaged;
      metrics_.AddScrubbedBytes(blob.size_bytes);
    }
    after = page->back().sha256;
    if (!rest()) return absl::CancelledError("told to stop");
  }
}

}  // namespace acclimate::artifacts
