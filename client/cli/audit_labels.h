// The file of an audit: which samples of the target to label, and their labels. CSV with a header:
//
//   index,label
//   17,3
//   204,0
#ifndef ACCLIMATE_CLIENT_CLI_AUDIT_LABELS_H_
#define ACCLIMATE_CLIENT_CLI_AUDIT_LABELS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/report/audit.h"

namespace acclimate::cli {

// Other columns are left alone. INVALID_ARGUMENT names the file and the line at fault: no number,
// no label, an index that another line has.
absl::StatusOr<std::vector<report::AuditLabel>> ReadAuditLabels(const std::string& path);

// `count` of the indices 0 to samples - 1, without replacement, rising; the same seed draws the
// same ones on every machine. INVALID_ARGUMENT: there are not so many.
absl::StatusOr<std::vector<int64_t>> DrawAuditSample(int64_t samples, int64_t count, uint64_t seed);

// The file with these indices and no labels.
std::string EmptyAuditFile(const std::vector<int64_t>& indices);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_AUDIT_LABELS_H_
