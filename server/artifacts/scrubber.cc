#include "server/artifacts/scrubber.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "server/base/log.h"

namespace acclimate::artifacts {
namespace {

constexpr int kBlobsInAPage = 64;

// Before every digest of the slice, and after those of the slice before.
std::string BeforeSlice(int slice) {
  return slice == 0 ? "" : absl::StrFormat("%x", slice - 1) + std::string(63, 'f');
}

}  // namespace

Scrubbed Scrubber::Run(const Rest& rest) {
  Scrubbed scrubbed;
  for (const std::string& tenant : stores_.Tenants()) {
    absl::StatusOr<BlobStore*> blobs = stores_.BlobsOf(tenant);
    absl::Status status = blobs.status();
    if (status.ok()) status = ScrubOf(**blobs, rest, scrubbed);
    if (absl::IsCancelled(status)) return scrubbed;
    if (!status.ok()) LogWarning("blobs not scrubbed", {{"tenant", tenant}, {"error", status}});
  }
  slice_ = (slice_ + 1) % kSlices;
  return scrubbed;
}

absl::Status Scrubber::ScrubOf(BlobStore& blobs, const Rest& rest, Scrubbed& scrubbed) {
  const std::string prefix = absl::StrFormat("%x", slice_);
  std::string after = BeforeSlice(slice_);
  while (true) {
    const absl::StatusOr<std::vector<BlobInfo>> page = blobs.List(after, kBlobsInAPage);
    if (!page.ok()) return page.status();
    if (page->empty()) return absl::OkStatus();
    for (const BlobInfo& blob : *page) {
      if (!absl::StartsWith(blob.sha256, prefix)) return absl::OkStatus();
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
