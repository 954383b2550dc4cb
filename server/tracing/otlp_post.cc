#include "server/tracing/otlp_post.h"

#include <curl/curl.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/c_object.h"

namespace acclimate::tracing {
namespace {

constexpr char kPath[] = "/v1/traces";
constexpr size_t kAnswerBytes = 512;  // of what a collector says that refuses

using Handle = std::unique_ptr<CURL, FreedBy<curl_easy_cleanup>>;
using HeaderList = std::unique_ptr<curl_slist, FreedBy<curl_slist_free_all>>;

size_t KeepSome(char* bytes, size_t size, size_t count, void* answer) {
  auto& text = *static_cast<std::string*>(answer);
  text.append(bytes, std::min(size * count, kAnswerBytes - std::min(kAnswerBytes, text.size())));
  return size * count;
}

HeaderList Headers(const OtlpEndpoint& endpoint) {
  // "Expect:" keeps libcurl from asking first whether it may send.
  curl_slist* list = curl_slist_append(nullptr, "Content-Type: application/json");
  list = curl_slist_append(list, "Expect:");
  for (const std::string& header : endpoint.headers) {
    list = curl_slist_append(list, header.c_str());
  }
  return HeaderList(list);
}

bool Has(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  const bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;
  curl_free(text);
  return has;
}

absl::Status CheckUrl(const std::string& base) {
  const auto refusal = [](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("--otlp-endpoint: ", what));
  };
  if (absl::StrContains(base, '@')) {
    return refusal(
        "must not hold a user or a password, which everybody on this machine can see; a header of "
        "--otlp-headers-file can");
  }
  const std::unique_ptr<CURLU, FreedBy<curl_url_cleanup>> url(curl_url());
  const bool http = absl::StartsWith(base, "http://") || absl::StartsWith(base, "https://");
  if (!http || curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK ||
      absl::StrContains(base, ' ') || !Has(url.get(), CURLUPART_HOST)) {
    return refusal(absl::StrCat("must be a URL, as http://collector:4318; is \"", base, "\""));
  }
  if (Has(url.get(), CURLUPART_QUERY) || Has(url.get(), CURLUPART_FRAGMENT) ||
      absl::EndsWith(absl::StripSuffix(base, "/"), kPath)) {
    return refusal(absl::StrCat("must be what comes before ", kPath, "; is \"", base, "\""));
  }
  return absl::OkStatus();
}

absl::Status StatusOfAnswer(long code, const std::string& answer) {
  if (200 <= code && code < 300) return absl::OkStatus();
  const std::string message = absl::StrCat("the collector answers ", code, ": ", answer);
  for (const long passing : {429, 502, 503, 504}) {
    if (code == passing) return absl::UnavailableError(message);
  }
  return absl::FailedPreconditionError(message);
}

}  // namespace

absl::StatusOr<OtlpEndpoint> MakeOtlpEndpoint(const std::string& base,
                                              const std::string& headers_file) {
  if (absl::Status status = CheckUrl(base); !status.ok()) return status;
  OtlpEndpoint endpoint{absl::StrCat(absl::StripSuffix(base, "/"), kPath), {}};
  if (headers_file.empty()) return endpoint;
  std::ifstream file(headers_file);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text[0] == '#') continue;
    if (const size_t colon = text.find(':'); colon == absl::string_view::npos || colon == 0) {
      return absl::InvalidArgumentError(absl::StrCat("--otlp-headers-file: ", headers_file, ":",
                                                     number, ": expected `name: value`"));
    }
    endpoint.headers.emplace_back(text);
  }
  if (file.bad() || !file.eof()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--otlp-headers-file: cannot read ", headers_file));
  }
  return endpoint;
}

absl::Status Post(const OtlpEndpoint& endpoint, const std::string& json, absl::Duration limit) {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  const Handle handle(initialized == CURLE_OK ? curl_easy_init() : nullptr);
  if (handle == nullptr) return absl::UnavailableError("libcurl does not start");
  const HeaderList headers = Headers(endpoint);
  std::string answer;
  curl_easy_setopt(handle.get(), CURLOPT_URL, endpoint.url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(json.size()));
  curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDS, json.c_str());
  // 0 would be none.
  const long milliseconds = std::max<int64_t>(absl::ToInt64Milliseconds(limit), 1);
  curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT_MS, milliseconds);
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);  // this process has many threads
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &KeepSome);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &answer);
  if (const CURLcode code = curl_easy_perform(handle.get()); code != CURLE_OK) {
    return absl::UnavailableError(absl::StrCat(endpoint.url, ": ", curl_easy_strerror(code)));
  }
  long code = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &code);
  return StatusOfAnswer(code, answer);
}

}  // namespace acclimate::tracing
