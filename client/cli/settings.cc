#include "client/cli/settings.h"

#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/spelling.h"
#include "toml++/toml.h"

namespace acclimate::cli {
namespace {

// A setting's flag without dashes is its name; "tls-ca" is ACCLIMATE_TLS_CA and tls_ca elsewhere.
std::string KeyOf(const std::string& flag) { return absl::StrReplaceAll(flag, {{"-", "_"}}); }

std::string VariableOf(const std::string& flag) {
  return absl::StrCat("ACCLIMATE_", absl::AsciiStrToUpper(KeyOf(flag)));
}

// Empty where it is not set.
std::string Variable(const Environment& environment, const std::string& name) {
  const char* const value = environment(name.c_str());
  return value == nullptr ? "" : value;
}

std::string ExpandHome(const std::string& path, const Environment& environment) {
  if (!absl::StartsWith(path, "~/")) return path;
  return absl::StrCat(Variable(environment, "HOME"), path.substr(1));
}

bool IsSetting(const std::string& key) {
  for (const OptionSpec& flag : ConnectionFlags()) {
    if (flag.name != "profile" && KeyOf(flag.name) == key) return true;
  }
  return false;
}

using Values = std::map<std::string, std::string>;  // by key

// The settings of one table into `values`, over those that are there.
absl::Status ReadTable(const std::string& path, const toml::table& table, Values& values) {
  for (const auto& [name, node] : table) {
    const std::string key(name.str());
    if (key == "profile" && node.is_table()) continue;
    const std::string place = absl::StrCat(path, ":", node.source().begin.line, ": ", key);
    if (!IsSetting(key)) {
      std::vector<std::string> known;
      for (const OptionSpec& flag : ConnectionFlags()) known.push_back(KeyOf(flag.name));
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": no such setting", DidYouMean(key, known)));
    }
    if (const auto text = node.value_exact<std::string>()) {
      values[key] = *text;
    } else if (const auto flag = node.value_exact<bool>()) {
      values[key] = *flag ? "true" : "";
    } else {
      return absl::InvalidArgumentError(absl::StrCat(place, ": must be a string or true"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Values> ReadFile(const std::string& path, const std::string& profile) {
  Values values;
  toml::table file;
  try {
    file = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", error.source().begin.line, ": ", std::string(error.description())));
  }
  if (absl::Status status = ReadTable(path, file, values); !status.ok()) return status;
  if (profile.empty()) return values;
  const toml::table* const table = file["profile"][profile].as_table();
  if (table == nullptr) {
    std::vector<std::string> known;
    if (const toml::table* const profiles = file["profile"].as_table()) {
      for (const auto& [name, node] : *profiles) known.emplace_back(name.str());
    }
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has no profile \"", profile, "\"", DidYouMean(profile, known)));
  }
  if (absl::Status status = ReadTable(path, *table, values); !status.ok()) return status;
  return values;
}

absl::StatusOr<Values> FileValues(const Arguments& arguments, const Environment& environment) {
  const std::string profile =
      arguments.Text("profile", Variable(environment, VariableOf("profile")));
  const std::string given = Variable(environment, "ACCLIMATE_CLIENT_CONFIG");
  const std::string configured = Variable(environment, "XDG_CONFIG_HOME");
  const std::string folder =
      configured.empty() ? absl::StrCat(Variable(environment, "HOME"), "/.config") : configured;
  const std::string path = given.empty() ? folder + "/acclimate/config.toml" : given;
  if (!given.empty() || std::filesystem::exists(path)) return ReadFile(path, profile);
  if (profile.empty()) return Values();
  return absl::InvalidArgumentError(
      absl::StrCat("there is no ", path, ", in which a profile \"", profile, "\" could be"));
}

}  // namespace

const std::vector<OptionSpec>& ConnectionFlags() {
  static const auto* flags = new std::vector<OptionSpec>{
      {"server", ValueKind::kText, "ADDR",
       "the server (default: $ACCLIMATE_SERVER, else 127.0.0.1:50051)"},
      {"tenant", ValueKind::kText, "NAME", "whose jobs and blobs (default: default)"},
      {"profile", ValueKind::kText, "NAME",
       "the profile of ~/.config/acclimate/config.toml to take all of these from"},
      {"token-file", ValueKind::kFile, "FILE", "a bearer token: the file's first line"},
      {"tls", ValueKind::kSwitch, "", "encrypt, and trust the system's authorities"},
      {"tls-ca", ValueKind::kFile, "FILE", "encrypt, and trust what these certificates sign"},
      {"tls-cert", ValueKind::kFile, "FILE", "the client's own certificate"},
      {"tls-key", ValueKind::kFile, "FILE", "its private key"},
      {"tls-server-name", ValueKind::kText, "NAME",
       "the name in the server's certificate, where it is not the address"},
  };
  return *flags;
}

absl::StatusOr<client::ConnectionOptions> ConnectionSettings(const Arguments& arguments,
                                                             const Environment& environment) {
  absl::StatusOr<Values> file = FileValues(arguments, environment);
  if (!file.ok()) return file.status();
  const auto value = [&](const std::string& flag, const std::string& otherwise = "") {
    if (arguments.Has(flag)) return arguments.Text(flag);
    const std::string variable = Variable(environment, VariableOf(flag));
    if (!variable.empty()) return variable;
    const auto found = file->find(KeyOf(flag));
    return found == file->end() ? otherwise : found->second;
  };
  const auto path = [&](const std::string& flag) { return ExpandHome(value(flag), environment); };
  client::ConnectionOptions options;
  options.server = value("server", options.server);
  options.tenant = value("tenant", options.tenant);
  client::SecurityOptions security;
  security.tls = arguments.Has("tls") || !value("tls").empty();
  security.tls_ca = path("tls-ca");
  security.tls_cert = path("tls-cert");
  security.tls_key = path("tls-key");
  security.tls_server_name = value("tls-server-name");
  security.token_file = path("token-file");
  absl::StatusOr<client::Credentials> credentials =
      client::LoadCredentials(security, options.server);
  if (!credentials.ok()) return credentials.status();
  options.credentials = *std::move(credentials);
  // As OpenTelemetry's other command line programs take it.
  options.trace = ParseTraceparent(Variable(environment, "TRACEPARENT"));
  return options;
}

}  // namespace acclimate::cli
