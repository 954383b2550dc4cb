#include "server/metrics/http_request.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace acclimate::metrics {
namespace {

// "%41" is "A"; a percent sign that begins nothing stays.
std::string PercentDecoded(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool encoded = text[i] == '%' && i + 2 < text.size() &&
                         absl::ascii_isxdigit(text[i + 1]) && absl::ascii_isxdigit(text[i + 2]);
    if (encoded) {
      decoded += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

bool IsToken(absl::string_view text) {
  if (text.empty()) return false;
  for (char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

bool TakeRequestLine(absl::string_view line, HttpRequest& request) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
  if (parts.size() != 3 || !IsToken(parts[0]) || !IsToken(parts[1])) return false;
  if (parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0") return false;
  if (parts[1].front() != '/') return false;
  const std::pair<absl::string_view, absl::string_view> target =
      absl::StrSplit(parts[1], absl::MaxSplits('?', 1));
  request.method = std::string(parts[0]);
  request.path = PercentDecoded(target.first);
  request.query = std::string(target.second);
  return true;
}

bool TakeHeader(absl::string_view line, HttpRequest& request) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || !IsToken(line.substr(0, colon))) return false;
  const absl::string_view name = line.substr(0, colon);
  const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
  for (const auto& [known, into] :
       {std::pair("authorization", &request.authorization), std::pair("host", &request.host)}) {
    if (absl::EqualsIgnoreCase(name, known) && into->empty()) *into = std::string(value);
  }
  return true;
}

}  // namespace

std::string HttpRequest::Parameter(const std::string& name) const {
  for (absl::string_view pair : absl::StrSplit(query, '&')) {
    if (!absl::ConsumePrefix(&pair, name) || !absl::ConsumePrefix(&pair, "=")) continue;
    std::string value(pair);
    for (char& c : value) {
      if (c == '+') c = ' ';
    }
    return PercentDecoded(value);
  }
  return "";
}

absl::optional<HttpRequest> ParseRequestHead(absl::string_view head) {
  HttpRequest request;
  bool first = true;
  for (absl::string_view line : absl::StrSplit(head, '\n')) {
    absl::ConsumeSuffix(&line, "\r");
    const bool taken = first ? TakeRequestLine(line, request) : TakeHeader(line, request);
    if (!taken) return absl::nullopt;
    first = false;
  }
  return request;
}

}  // namespace acclimate::metrics
