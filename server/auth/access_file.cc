#include "server/auth/access_file.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/resource_names.h"

namespace acclimate::auth {
namespace {

// Adds what a line says.
absl::Status AddLine(absl::string_view line, AccessList& list) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  if (words.size() != 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", words.size(), " words; expected a name, a credential and roles"));
  }
  Identity identity;
  identity.subject = std::string(words[0]);
  for (const absl::string_view role : absl::StrSplit(words[2], ',')) {
    if (absl::Status status = AddRole(role, identity.roles); !status.ok()) return status;
  }
  absl::string_view credential = words[1];
  std::map<std::string, Identity>* known = nullptr;
  if (absl::ConsumePrefix(&credential, "token-sha256:")) {
    if (!IsSha256(credential)) {
      return absl::InvalidArgumentError(
          "after token-sha256: there must be 64 lower-case hex digits");
    }
    identity.source = "token";
    known = &list.by_token;
  } else if (absl::ConsumePrefix(&credential, "certificate:")) {
    identity.source = "certificate";
    known = &list.by_certificate;
  } else if (absl::ConsumePrefix(&credential, "jwt:")) {
    identity.source = "jwt";
    known = &list.by_subject;
  } else {
    // Not shown: it may be a token that somebody has pasted.
    return absl::InvalidArgumentError(
        "the credential must begin with token-sha256:, certificate: or jwt:");
  }
  if (credential.empty()) return absl::InvalidArgumentError("the credential is empty");
  const auto [other, added] = known->emplace(std::string(credential), std::move(identity));
  if (added) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the same credential is that of ", other->second.subject));
}

}  // namespace

absl::StatusOr<AccessList> ParseAccessFile(absl::string_view contents) {
  AccessList list;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(contents, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    if (absl::Status status = AddLine(line, list); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", status.message()));
    }
  }
  return list;
}

}  // namespace acclimate::auth
