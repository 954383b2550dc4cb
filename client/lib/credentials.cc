#include "client/lib/credentials.h"

#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/loopback.h"

namespace acclimate::client {
namespace {

absl::StatusOr<std::string> Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string contents((std::istreambuf_iterator<char>(file)), {});
  if (file.bad() || !file.is_open()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path));
  }
  if (contents.empty()) return absl::InvalidArgumentError(absl::StrCat(path, " is empty"));
  return contents;
}

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  absl::StatusOr<std::string> contents = Contents(path);
  if (!contents.ok()) return contents.status();
  const absl::string_view line =
      absl::StripAsciiWhitespace(absl::string_view(*contents).substr(0, contents->find('\n')));
  for (const char c : line) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": the token holds something that is not printable ASCII"));
    }
  }
  if (line.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": its first line is empty"));
  }
  return std::string(line);
}

}  // namespace

absl::StatusOr<Credentials> LoadCredentials(const SecurityOptions& options,
                                            absl::string_view server) {
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key are needed together");
  }
  Credentials credentials;
  credentials.server_name = options.tls_server_name;
  if (!options.token_file.empty()) {
    absl::StatusOr<std::string> token = ReadToken(options.token_file);
    if (!token.ok()) return token.status();
    credentials.token = *std::move(token);
  }
  if (!options.UsesTls() && !credentials.token.empty() && !IsLoopback(server) &&
      !absl::StartsWith(server, "unix:")) {
    return absl::InvalidArgumentError(
        absl::StrCat("the token would travel unencrypted to ", server, ": use --tls or --tls-ca"));
  }
  if (!options.UsesTls()) {
    credentials.channel = grpc::InsecureChannelCredentials();
    return credentials;
  }
  grpc::SslCredentialsOptions tls;
  for (const auto& [path, field] :
       {std::pair<const std::string&, std::string&>{options.tls_ca, tls.pem_root_certs},
        {options.tls_cert, tls.pem_cert_chain},
        {options.tls_key, tls.pem_private_key}}) {
    if (path.empty()) continue;
    absl::StatusOr<std::string> contents = Contents(path);
    if (!contents.ok()) return contents.status();
    field = *std::move(contents);
  }
  credentials.channel = grpc::SslCredentials(tls);
  return credentials;
}

}  // namespace acclimate::client
