#include "server/base/tenant_policies.h"

#include <fstream>
#include <iterator>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/byte_count.h"
#include "server/base/resource_names.h"

namespace acclimate {
namespace {

absl::Status ParseLimit(absl::string_view text, int* limit) {
  if (absl::SimpleAtoi(text, limit) && *limit >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("must be a whole number, 0 for any number; is \"", text, "\""));
}

absl::Status ParseValue(absl::string_view key, absl::string_view text, TenantPolicy& policy) {
  if (key == "max-running") return ParseLimit(text, &policy.max_running);
  if (key == "max-queued") return ParseLimit(text, &policy.max_queued);
  if (key == "max-stored-bytes") {
    const absl::StatusOr<int64_t> bytes = ParseByteCount(text);
    if (bytes.ok()) policy.max_stored_bytes = *bytes;
    return bytes.status();
  }
  if (key != "weight") {
    return absl::InvalidArgumentError(
        "is unknown; there are weight, max-running, max-queued and max-stored-bytes");
  }
  if (absl::SimpleAtod(text, &policy.weight) && policy.weight >= 0.001 && policy.weight <= 1000) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("must be a number from 0.001 to 1000; is \"", text, "\""));
}

absl::Status ParseWords(const std::vector<absl::string_view>& words, TenantPolicy& policy) {
  for (size_t i = 1; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    const absl::string_view key = words[i].substr(0, equals);
    if (equals == absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(key, ": expected key=value"));
    }
    const absl::Status status = ParseValue(key, words[i].substr(equals + 1), policy);
    if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat(key, ": ", status.message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TenantPolicies> TenantPolicies::Parse(absl::string_view contents,
                                                     const TenantPolicy& defaults) {
  TenantPolicies policies(defaults);
  int number = 0;
  for (absl::string_view line : absl::StrSplit(contents, '\n')) {
    ++number;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line.substr(0, line.find('#')), absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    TenantPolicy policy = defaults;
    absl::Status status = ParseTenantName(absl::StrCat("tenants/", words[0])).status();
    if (status.ok()) status = ParseWords(words, policy);
    if (status.ok() && !policies.by_tenant_.emplace(std::string(words[0]), policy).second) {
      status = absl::InvalidArgumentError(absl::StrCat(words[0], " has a line already"));
    }
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", status.message()));
    }
  }
  return policies;
}

absl::StatusOr<TenantPolicies> TenantPolicies::Read(const std::string& path,
                                                    const TenantPolicy& defaults) {
  if (path.empty()) return TenantPolicies(defaults);
  std::ifstream file(path);
  const std::string contents((std::istreambuf_iterator<char>(file)), {});
  if (!file) return absl::InvalidArgumentError(absl::StrCat("--tenants-file: cannot read ", path));
  absl::StatusOr<TenantPolicies> policies = Parse(contents, defaults);
  if (policies.ok()) return policies;
  return absl::InvalidArgumentError(
      absl::StrCat("--tenants-file ", path, ": ", policies.status().message()));
}

const TenantPolicy& TenantPolicies::Of(const std::string& tenant) const {
  const auto found = by_tenant_.find(tenant);
  return found == by_tenant_.end() ? defaults_ : found->second;
}

}  // namespace acclimate
