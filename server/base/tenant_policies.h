// What each tenant may take of the server: its share of the slots, and its limits.
//
// The tenants file has a line for each tenant that differs from the flags' defaults:
//
//   # tenant  what differs
//   team-a    weight=3 max-running=4
//   team-b    max-queued=100 max-stored-bytes=20GiB
#ifndef ACCLIMATE_SERVER_BASE_TENANT_POLICIES_H_
#define ACCLIMATE_SERVER_BASE_TENANT_POLICIES_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace acclimate {

struct TenantPolicy {
  double weight = 1;             // its share of the slots, beside the weights of the others
  int max_running = 0;           // jobs at a time; 0: any number
  int max_queued = 0;            // jobs; 0: any number
  int64_t max_stored_bytes = 0;  // of its blobs and open uploads; 0: any number
};

// Immutable.
class TenantPolicies {
 public:
  explicit TenantPolicies(const TenantPolicy& defaults = {}) : defaults_(defaults) {}
  // INVALID_ARGUMENT: the line and the key at fault.
  static absl::StatusOr<TenantPolicies> Parse(absl::string_view contents,
                                              const TenantPolicy& defaults);
  // `path` empty: the defaults for all.
  static absl::StatusOr<TenantPolicies> Read(const std::string& path, const TenantPolicy& defaults);

  const TenantPolicy& Of(const std::string& tenant) const;

 private:
  TenantPolicy defaults_;
  std::map<std::string, TenantPolicy> by_tenant_;
};

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_TENANT_POLICIES_H_
