#include "server/artifacts/collector.h"

#include <utility>
#include <vector>

#include "server/base/earliest_now.h"
#include "server/base/log.h"

namespace acclimate::artifacts {
namespace {

constexpr int kBlobsInAStep = 64;

}  // namespace

Collector::Collector(TenantStores& stores, metrics::ServerMetrics& metrics, NeedQuery job_needs,
                     absl::Duration grace)
    : stores_(stores), metrics_(metrics), job_needs_(std::move(job_needs)), grace_(grace) {}

Collected Collector::Run(const Rest& rest) {
  Collected collected;
  for (const std::string& tenant : stores_.Tenants()) {
    const absl::Status status = CollectOf(tenant, rest, collected);
    if (absl::IsCancelled(status)) break;
    if (!status.ok()) {
      LogWarning("blobs were not collected", {{"tenant", tenant}, {"error", status}});
    }
  }
  if (collected.blobs > 0) {
    LogInfo("blobs collected", {{"blobs", collected.blobs}, {"bytes", collected.bytes}});
  }
  return collected;
}

absl::Status Collector::CollectOf(const std::string& tenant, const Rest& rest,
                                  Collected& collected) {
  absl::StatusOr<BlobStore*> blobs = stores_.BlobsOf(tenant);
  if (!blobs.ok()) return blobs.status();
  absl::StatusOr<std::vector<BlobInfo>> page = (*blobs)->ListQuarantined();
  std::string after;
  do {
    if (!page.ok()) return page.status();
    for (const BlobInfo& blob : *page) {
      absl::Status status = CollectOne(tenant, blob, collected);
      if (!status.ok()) return status;
    }
    if (!rest()) return absl::CancelledError("told to stop");
    page = (*blobs)->List(after, kBlobsInAStep);
    if (page.ok() && !page->empty()) after = page->back().sha256;
  } while (!page.ok() || !page->empty());
  // Last: what is known of a complete upload goes with its blob.
  absl::StatusOr<UploadStore*> uploads = stores_.UploadsOf(tenant);
  if (!uploads.ok()) return uploads.status();
  (*uploads)->RemoveSpent();
  return absl::OkStatus();
}

absl::Status Collector::CollectOne(const std::string& tenant, const BlobInfo& blob,
                                   Collected& collected) {
  const absl::Duration unused = EarliestNow() - blob.last_needed;
  if (blob.pinned || unused <= grace_ / 2) return absl::OkStatus();
  absl::StatusOr<BlobStore*> blobs = stores_.BlobsOf(tenant);
  if (!blobs.ok()) return blobs.status();
  absl::StatusOr<UploadStore*> uploads = stores_.UploadsOf(tenant);
  if (!uploads.ok()) return uploads.status();
  const auto is_needed = [&]() -> absl::StatusOr<bool> {
    if ((*uploads)->IsOpen(blob.sha256)) return true;
    return job_needs_(tenant, blob.sha256);
  };
  const absl::StatusOr<bool> needed = is_needed();
  if (!needed.ok()) return needed.status();
  if (*needed) {
    (*blobs)->Hold(blob.sha256).status().IgnoreError();  // it is needed now
    return absl::OkStatus();
  }
  if (unused <= grace_) return absl::OkStatus();
  const absl::StatusOr<bool> removed = (*blobs)->Remove(blob.sha256, is_needed);
  if (!removed.ok()) return removed.status();
  if (*removed) {
    ++collected.blobs;
    collected.bytes += blob.size_bytes;
    metrics_.CountCollectedBlob(blob.size_bytes);
    LogDebug("blob collected", {{"tenant", tenant}, {"sha256", blob.sha256}});
  }
  return absl::OkStatus();
}

}  // namespace acclimate::artifacts
