#include "server/api/list_filter.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/errors.h"

namespace acclimate::api {
namespace {

constexpr size_t kMaxTerms = 16;

absl::string_view Unquote(absl::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

absl::Status BadTerm(absl::string_view term, absl::string_view why) {
  return BadRequest("filter", absl::StrCat("term \"", term, "\": ", why));
}

absl::Status ParseTerm(absl::string_view term, jobs::JobQuery& query) {
  const std::pair<absl::string_view, absl::string_view> sides =
      absl::StrSplit(term, absl::MaxSplits('=', 1));
  absl::string_view key = absl::StripAsciiWhitespace(sides.first);
  const absl::string_view value = Unquote(absl::StripAsciiWhitespace(sides.second));
  if (term.find('=') == absl::string_view::npos) return BadTerm(term, "expected key=value");
  if (key == "state") {
    v1::JobState state;
    const std::string name = absl::StrCat("JOB_STATE_", absl::AsciiStrToUpper(value));
    if (!v1::JobState_Parse(name, &state) || state == v1::JOB_STATE_UNSPECIFIED) {
      return BadTerm(term, "no such state; for example QUEUED, RUNNING, SUCCEEDED, FAILED");
    }
    if (query.state && *query.state != state) return BadTerm(term, "a job has one state");
    query.state = state;
    return absl::OkStatus();
  }
  if (key == "method") {
    if (value.empty()) return BadTerm(term, "names no method");
    query.method = std::string(value);
    return absl::OkStatus();
  }
  if (absl::ConsumePrefix(&key, "label.") && !key.empty()) {
    query.labels[std::string(key)] = std::string(value);
    return absl::OkStatus();
  }
  return BadTerm(term, "the keys are state, method and label.<name>");
}

}  // namespace

absl::Status ParseListFilter(absl::string_view filter, jobs::JobQuery& query) {
  if (absl::StripAsciiWhitespace(filter).empty()) return absl::OkStatus();
  const std::vector<absl::string_view> terms = absl::StrSplit(filter, " AND ");
  if (terms.size() > kMaxTerms) {
    return BadRequest("filter", absl::StrCat("has ", terms.size(), " terms; at most ", kMaxTerms));
  }
  for (absl::string_view term : terms) {
    absl::Status status = ParseTerm(absl::StripAsciiWhitespace(term), query);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace acclimate::api
