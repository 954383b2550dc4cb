#include "server/base/config.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <fstream>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "server/base/byte_count.h"
#include "server/base/loopback.h"
#include "server/base/machine_resources.h"

namespace acclimate {
namespace {

using Parser = std::function<absl::Status(ServerConfig& config, const std::string& text)>;

struct Setting {
  std::string group;
  std::string name;  // of the flag, without "--"; the key in the configuration file
  std::string value;
  std::string shown_default;
  std::string help;
  Parser parse;
};

absl::StatusOr<int64_t> ParseInteger(const std::string& text, int64_t minimum, int64_t maximum) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < minimum || value > maximum) {
    return absl::InvalidArgumentError(
        absl::StrFormat("must be a whole number from %d to %d; is \"%s\"", minimum, maximum, text));
  }
  return value;
}

absl::StatusOr<absl::Duration> ParsePositiveDuration(const std::string& text) {
  absl::Duration value;
  if (!absl::ParseDuration(text, &value) || value < absl::ZeroDuration() ||
      value == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be a duration, as 30s, 5m or 24h; is \"", text, "\""));
  }
  return value;
}

template <typename T, typename Parse>
Parser Store(T ServerConfig::*field, Parse parse) {
  return [field, parse](ServerConfig& config, const std::string& text) -> absl::Status {
    auto value = parse(text);
    if (!value.ok()) return value.status();
    config.*field = static_cast<T>(*std::move(value));
    return absl::OkStatus();
  };
}

absl::StatusOr<std::string> ParseText(const std::string& text) {
  if (text.empty()) return absl::InvalidArgumentError("must not be empty");
  return text;
}

absl::StatusOr<std::string> ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be HOST:PORT; is \"", text, "\" (port 0: any free one)"));
  }
  return text;
}

// Of the HTTP server, which Debian builds without IPv6.
absl::StatusOr<std::string> ParseHttpAddress(const std::string& text) {
  if (!text.empty() && text[0] == '[') {
    return absl::InvalidArgumentError(
        absl::StrCat("must be an IPv4 address or a name; is \"", text, "\""));
  }
  return ParseAddress(text);
}

absl::StatusOr<double> ParseShare(const std::string& text) {
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !(value >= 0 && value <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be a number from 0 to 1; is \"", text, "\""));
  }
  return value;
}

absl::StatusOr<bool> ParseSwitch(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  return absl::InvalidArgumentError(absl::StrCat("must be true or false; is \"", text, "\""));
}

absl::StatusOr<StatusPageMode> ParseStatusPageMode(const std::string& text) {
  if (text == "auto") return StatusPageMode::kAuto;
  if (text == "on") return StatusPageMode::kOn;
  if (text == "off") return StatusPageMode::kOff;
  return absl::InvalidArgumentError(absl::StrCat("must be auto, on or off; is \"", text, "\""));
}

absl::StatusOr<std::string> ParseDevice(const std::string& text) {
  int index = 0;
  absl::string_view suffix = text;
  const bool numbered =
      absl::ConsumePrefix(&suffix, "cuda:") && absl::SimpleAtoi(suffix, &index) && index >= 0;
  if (text == "auto" || text == "cpu" || text == "cuda" || numbered) return text;
  return absl::InvalidArgumentError(
      absl::StrCat("must be auto, cpu, cuda or cuda:<i>; is \"", text, "\""));
}

const std::vector<Setting>& Settings() {
  static const auto* settings = new std::vector<Setting>{
      {"Where", "data-dir", "DIR", "required", "jobs, blobs and uploads; made if it is not there",
       Store(&ServerConfig::data_dir, ParseText)},
      {"Where", "listen", "HOST:PORT", "127.0.0.1:50051", "gRPC; port 0 takes a free one",
       Store(&ServerConfig::listen, ParseAddress)},
      {"Where", "metrics-listen", "HOST:PORT", "127.0.0.1:9464", "Prometheus, at /metrics",
       Store(&ServerConfig::metrics_listen, ParseHttpAddress)},
      {"Where", "ui", "auto|on|off", "auto",
       "the status page, at /ui beside /metrics; auto: where only this machine reaches it",
       Store(&ServerConfig::ui, ParseStatusPageMode)},
      {"Jobs", "slots", "N", "number of cores",
       "jobs at a time; 0 only queues. The cores are the machine's, or the container's share",
       Store(&ServerConfig::slots, [](const std::string& t) { return ParseInteger(t, 0, 1024); })},
      {"Jobs", "spare-worker", "true|false", "true",
       "one more warm worker while slots are busy, for the next job, as long as memory allows",
       Store(&ServerConfig::spare_worker, ParseSwitch)},
      {"Jobs", "device", "DEVICE", "auto", "of jobs that do not ask: auto, cpu, cuda, cuda:<i>",
       Store(&ServerConfig::device, ParseDevice)},
      {"Jobs", "worker", "PATH", "beside acclimated", "the acclimate-worker program",
       Store(&ServerConfig::worker, ParseText)},
      {"Jobs", "job-memory-limit", "BYTES", "4/5 of the memory",
       "that one worker may have in memory, mapped files left out, as 8GiB; 0: none. The memory is "
       "the machine's, or the container's limit",
       Store(&ServerConfig::job_memory_limit_bytes, ParseByteCount)},
      {"Jobs", "job-scratch-limit", "BYTES", "16GiB",
       "of the files that one job writes, its results included; 0: none",
       Store(&ServerConfig::job_scratch_limit_bytes, ParseByteCount)},
      {"Jobs", "job-thread-limit", "N", "1024", "threads of one worker; 0: any number",
       Store(&ServerConfig::job_thread_limit,
             [](const std::string& t) { return ParseInteger(t, 0, 1 << 20); })},
      {"Jobs", "job-time-limit", "TIME", "24h", "of one attempt, where the job sets no limit",
       Store(&ServerConfig::job_time_limit, ParsePositiveDuration)},
      {"Jobs", "no-progress-timeout", "TIME", "2m",
       "a worker that neither speaks nor computes for so long is stopped, its job tried again",
       Store(&ServerConfig::no_progress_timeout, ParsePositiveDuration)},
      {"Jobs", "checkpoint-interval", "TIME", "60s",
       "between two saved states of a job, which take at most 2 % of its time",
       Store(&ServerConfig::checkpoint_interval, ParsePositiveDuration)},
      {"Jobs", "max-retries", "N", "5",
       "of a job whose attempts crash, are lost, or find no memory or disk",
       Store(&ServerConfig::max_retries,
             [](const std::string& t) { return ParseInteger(t, 0, 1000); })},
      {"Fairness", "memory-for-jobs", "BYTES", "9/10 of the memory",
       "of all jobs that run at a time: one begins once what it is likely to need is free; 0: any",
       Store(&ServerConfig::memory_for_jobs_bytes, ParseByteCount)},
      {"Fairness", "priority-age", "TIME", "10m",
       "of waiting that is worth one point of priority; 0: first come, first served",
       Store(&ServerConfig::priority_age, ParsePositiveDuration)},
      {"Fairness", "preempt", "", "false",
       "a running job goes back to the queue, its state saved, for one of higher priority",
       Store(&ServerConfig::preempt, ParseSwitch)},
      {"Fairness", "tenant-max-running", "N", "0", "jobs of a tenant at a time; 0: any number",
       Store(&ServerConfig::tenant_max_running,
             [](const std::string& t) { return ParseInteger(t, 0, 1 << 20); })},
      {"Fairness", "tenant-max-queued", "N", "100000", "queued jobs of a tenant; 0: any number",
       Store(&ServerConfig::tenant_max_queued,
             [](const std::string& t) { return ParseInteger(t, 0, INT_MAX); })},
      {"Fairness", "tenant-max-stored-bytes", "BYTES", "0",
       "of a tenant's blobs and open uploads, beyond which it uploads nothing; 0: any number",
       Store(&ServerConfig::tenant_max_stored_bytes, ParseByteCount)},
      {"Fairness", "tenants-file", "FILE", "none",
       "weights of tenants, and limits that differ from those above",
       Store(&ServerConfig::tenants_file, ParseText)},
      {"Security", "tls-cert", "FILE", "no TLS", "the server's certificate and its chain, in PEM",
       Store(&ServerConfig::tls_cert, ParseText)},
      {"Security", "tls-key", "FILE", "no TLS", "its private key, in PEM",
       Store(&ServerConfig::tls_key, ParseText)},
      {"Security", "tls-client-ca", "FILE", "none asked for",
       "who signs client certificates, which are then asked for and verified",
       Store(&ServerConfig::tls_client_ca, ParseText)},
      {"Security", "access-file", "FILE", "none",
       "who may do what: hashed tokens, names of certificates, roles by tenant",
       Store(&ServerConfig::access_file, ParseText)},
      {"Security", "jwks-file", "FILE", "none", "the keys that JSON Web Tokens are signed with",
       Store(&ServerConfig::jwks_file, ParseText)},
      {"Security", "jwt-issuer", "URL", "required with --jwks-file", "who issues the tokens (iss)",
       Store(&ServerConfig::jwt_issuer, ParseText)},
      {"Security", "jwt-audience", "NAME", "required with --jwks-file",
       "what the tokens are meant for (aud)", Store(&ServerConfig::jwt_audience, ParseText)},
      {"Security", "insecure", "", "false",
       "listen beyond this machine without authentication: whoever reaches the port may do all",
       Store(&ServerConfig::insecure, ParseSwitch)},
      {"Security", "require-sandbox", "true|false", "true",
       "start no worker where the kernel refuses landlock or seccomp; false runs jobs without them",
       Store(&ServerConfig::require_sandbox, ParseSwitch)},
      {"Storage", "max-blob-bytes", "BYTES", "64GiB", "the largest upload",
       Store(&ServerConfig::max_blob_bytes, ParseByteCount)},
      {"Storage", "min-free-disk-bytes", "BYTES", "256MiB", "uploads leave this much of the disk",
       Store(&ServerConfig::min_free_disk_bytes, ParseByteCount)},
      {"Storage", "disk-watermark", "SHARE", "0.9",
       "uploads and new jobs are refused once so much of the disk is used, by whatever",
       Store(&ServerConfig::disk_watermark, ParseShare)},
      {"Storage", "gc-grace-period", "TIME", "6h",
       "a blob that no job names, no pin keeps and no upload is to become is removed after it",
       Store(&ServerConfig::gc_grace_period, ParsePositiveDuration)},
      {"Storage", "gc-interval", "TIME", "10m", "how often such blobs are looked for; 0: never",
       Store(&ServerConfig::gc_interval, ParsePositiveDuration)},
      {"Storage", "event-detail-period", "TIME", "24h",
       "an ended job keeps all its metric points for so long, and then about 1000 of them",
       Store(&ServerConfig::event_detail_period, ParsePositiveDuration)},
      {"Storage", "scrub-interval", "TIME", "720h",
       "how often all blobs are hashed again, at idle priority; 0: never",
       Store(&ServerConfig::scrub_interval, ParsePositiveDuration)},
      {"Limits", "tenant-call-rate", "N", "20000",
       "calls a second of one tenant, of which one that changes something counts 5; 0: any number",
       Store(&ServerConfig::tenant_call_rate,
             [](const std::string& t) { return ParseInteger(t, 0, 1'000'000'000); })},
      {"Limits", "connections-per-client", "N", "1024",
       "to the gRPC port at a time, of one address; 0: any number",
       Store(&ServerConfig::connections_per_client,
             [](const std::string& t) { return ParseInteger(t, 0, 1 << 20); })},
      {"Limits", "streams-per-client", "N", "512",
       "watches, uploads and downloads at a time of one caller, or of one address without "
       "authentication; 0: any number",
       Store(&ServerConfig::streams_per_client,
             [](const std::string& t) { return ParseInteger(t, 0, 1 << 20); })},
      {"Limits", "min-upload-rate", "BYTES", "4KiB",
       "a second, over half a minute of waiting; a slower upload is ended, and can go on; 0: any",
       Store(&ServerConfig::min_upload_rate, ParseByteCount)},
      {"Operation", "log-level", "LEVEL", "info", "debug, info, warning or error",
       Store(&ServerConfig::log_level, ParseLogLevel)},
      {"Operation", "otlp-endpoint", "URL", "no traces",
       "where traces go, by OTLP/HTTP: http://collector:4318",
       Store(&ServerConfig::otlp_endpoint, ParseText)},
      {"Operation", "otlp-headers-file", "FILE", "none",
       "headers for the collector, a line `name: value` each",
       Store(&ServerConfig::otlp_headers_file, ParseText)},
      {"Operation", "otlp-sample-ratio", "SHARE", "1",
       "of the traces that begin here; a caller's traceparent decides for itself",
       Store(&ServerConfig::otlp_sample_ratio, ParseShare)},
      {"Operation", "drain-timeout", "TIME", "20s",
       "on SIGTERM, jobs may end within it; the others are saved in its last seconds and queued "
       "again",
       Store(&ServerConfig::drain_timeout, ParsePositiveDuration)},
      {"Operation", "stop-with-stdin", "true|false", "false",
       "at the end of its standard input stop as on SIGTERM: for a program that starts a server "
       "for itself and holds the other end of a pipe, which closes however that program ends",
       Store(&ServerConfig::stop_with_stdin, ParseSwitch)},
  };
  return *settings;
}

std::string VariableOf(absl::string_view flag) {
  return absl::StrCat("ACCLIMATE_", absl::AsciiStrToUpper(absl::StrReplaceAll(flag, {{"-", "_"}})));
}

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

absl::Status Unknown(absl::string_view what, const std::string& name) {
  const auto& settings = Settings();
  const auto nearest =
      std::min_element(settings.begin(), settings.end(), [&](const Setting& a, const Setting& b) {
        return EditDistance(name, a.name) < EditDistance(name, b.name);
      });
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown ", what, " \"", name, "\"; did you mean \"", nearest->name, "\"? See --help."));
}

const Setting* Find(absl::string_view name) {
  const auto found = std::find_if(Settings().begin(), Settings().end(),
                                  [name](const Setting& setting) { return setting.name == name; });
  return found == Settings().end() ? nullptr : &*found;
}

// A value and the place that it came from, for messages.
struct Given {
  std::string text;
  std::string origin;
};
using GivenByName = std::map<std::string, Given>;

absl::StatusOr<GivenByName> ReadFlags(const std::vector<std::string>& arguments) {
  GivenByName given;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (!absl::ConsumePrefix(&argument, "--")) {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument \"", arguments[i], "\"; flags begin with --"));
    }
    const size_t equals = argument.find('=');
    const std::string name(argument.substr(0, equals));
    const Setting* const setting = Find(name);
    if (name != "config" && setting == nullptr) return Unknown("flag", name);
    const std::string origin = absl::StrCat("--", name);
    if (equals != absl::string_view::npos) {
      given[name] = {std::string(argument.substr(equals + 1)), origin};
    } else if (setting != nullptr && setting->value.empty()) {
      given[name] = {"true", origin};
    } else if (i + 1 < arguments.size()) {
      given[name] = {arguments[++i], origin};
    } else {
      return absl::InvalidArgumentError(absl::StrCat(origin, ": needs a value"));
    }
  }
  return given;
}

// Lines of `key = value`; # begins a comment; quotes around a value are taken off.
absl::StatusOr<GivenByName> ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::InvalidArgumentError(absl::StrCat("--config: cannot read ", path));
  GivenByName given;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text[0] == '#') continue;
    const std::string origin = absl::StrCat(path, ":", number);
    const size_t equals = text.find('=');
    if (equals == absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(origin, ": expected `key = value`"));
    }
    const std::string key(absl::StripAsciiWhitespace(text.substr(0, equals)));
    absl::string_view value = absl::StripAsciiWhitespace(text.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (Find(key) == nullptr) return Unknown(absl::StrCat("key at ", origin), key);
    given[key] = {std::string(value), absl::StrCat(origin, ": ", key)};
  }
  if (file.bad()) return absl::InvalidArgumentError(absl::StrCat("--config: cannot read ", path));
  return given;
}

GivenByName ReadEnvironment(const Environment& environment) {
  GivenByName given;
  for (const Setting& setting : Settings()) {
    const std::string variable = VariableOf(setting.name);
    if (const char* text = environment(variable.c_str())) given[setting.name] = {text, variable};
  }
  return given;
}

absl::Status Apply(const GivenByName& given, ServerConfig& config) {
  for (const Setting& setting : Settings()) {
    const auto found = given.find(setting.name);
    if (found == given.end()) continue;
    const absl::Status status = setting.parse(config, found->second.text);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(found->second.origin, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTracing(const ServerConfig& config) {
  if (!config.otlp_endpoint.empty()) return absl::OkStatus();
  if (!config.otlp_headers_file.empty()) {
    return absl::InvalidArgumentError("--otlp-headers-file needs --otlp-endpoint");
  }
  if (config.otlp_sample_ratio != ServerConfig().otlp_sample_ratio) {
    return absl::InvalidArgumentError("--otlp-sample-ratio needs --otlp-endpoint");
  }
  return absl::OkStatus();
}

// Settings that do not fit each other.
absl::Status CheckSecurity(const ServerConfig& config) {
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key are needed together");
  }
  if (!config.tls_client_ca.empty() && config.tls_cert.empty()) {
    return absl::InvalidArgumentError("--tls-client-ca needs --tls-cert and --tls-key");
  }
  if (!config.tls_client_ca.empty() && config.access_file.empty()) {
    return absl::InvalidArgumentError(
        "--tls-client-ca needs --access-file: it says what a certificate's holder may do");
  }
  if (config.jwks_file.empty() != (config.jwt_issuer.empty() || config.jwt_audience.empty())) {
    return absl::InvalidArgumentError(
        "--jwks-file, --jwt-issuer and --jwt-audience are needed together");
  }
  if (!IsLoopback(config.listen) && !config.HasAuthentication() && !config.insecure) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--listen ", config.listen,
        " reaches beyond this machine, which needs --access-file or --jwks-file; or --insecure, "
        "which lets everybody who reaches the port do everything"));
  }
  if (config.ui == StatusPageMode::kOn && !IsLoopback(config.metrics_listen) &&
      !config.HasAuthentication() && !config.insecure) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--ui on with --metrics-listen ", config.metrics_listen,
        " shows every job beyond this machine, which needs --access-file or --jwks-file; or "
        "--insecure, which shows them to everybody who reaches the port"));
  }
  return absl::OkStatus();
}

std::string WorkerBesideThisProgram() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  if (length <= 0) return "acclimate-worker";
  const absl::string_view self(path, static_cast<size_t>(length));
  return absl::StrCat(self.substr(0, self.rfind('/')), "/acclimate-worker");
}

}  // namespace

bool ServerConfig::ShowsStatusPage() const {
  return ui == StatusPageMode::kOn || (ui == StatusPageMode::kAuto && IsLoopback(metrics_listen));
}

absl::StatusOr<ServerConfig> LoadServerConfig(const std::vector<std::string>& arguments,
                                              const Environment& environment) {
  ServerConfig config;
  config.slots = MachineProcessors();
  config.worker = WorkerBesideThisProgram();
  config.job_memory_limit_bytes = MachineMemoryBytes() / 5 * 4;
  config.memory_for_jobs_bytes = MachineMemoryBytes() / 10 * 9;

  absl::StatusOr<GivenByName> given = ReadFlags(arguments);
  if (!given.ok()) return given.status();
  // map::merge keeps what is there already: the stronger source goes first.
  given->merge(ReadEnvironment(environment));
  std::string path;
  if (const auto flag = given->find("config"); flag != given->end()) {
    path = flag->second.text;
  } else if (const char* variable = environment("ACCLIMATE_CONFIG")) {
    path = variable;
  }
  if (!path.empty()) {
    absl::StatusOr<GivenByName> from_file = ReadFile(path);
    if (!from_file.ok()) return from_file.status();
    given->merge(*std::move(from_file));
  }
  if (absl::Status status = Apply(*given, config); !status.ok()) return status;
  if (config.data_dir.empty()) {
    return absl::InvalidArgumentError("--data-dir is required: where jobs and blobs are kept");
  }
  if (absl::Status status = CheckSecurity(config); !status.ok()) return status;
  if (absl::Status status = CheckTracing(config); !status.ok()) return status;
  return config;
}

std::string ServerHelp() {
  std::string help =
      "acclimated serve: adapts trained models to new domains, over gRPC.\n\n"
      "  acclimated serve --data-dir DIR [flags]\n"
      "  acclimated fsck --data-dir DIR    names all that is damaged or missing; a server may run\n"
      "  acclimated backup TO --data-dir DIR  copies it and checks the copy; a server may run\n"
      "  acclimated restore FROM --data-dir DIR  makes a new one of a backup, and checks it\n"
      "  acclimated gc --data-dir DIR      removes blobs that nothing needs; no server may run\n"
      "  acclimated verify-audit FILE      checks the chain of an audit log, and tells its end\n"
      "  acclimated describe               prints metrics and error reasons as JSON\n\n"
      "Each flag can also be set in the environment (in brackets below) and, under its name, in a\n"
      "configuration file of `key = value` lines. A flag wins over the environment, that over the\n"
      "file.\n";
  std::string group;
  for (const Setting& setting : Settings()) {
    if (setting.group != group) absl::StrAppend(&help, "\n", group = setting.group, ":\n");
    absl::StrAppendFormat(&help, "  %-30s %s\n%33s%s; default: %s\n%33s[%s]\n",
                          absl::StrCat("--", setting.name, " ", setting.value), "", "",
                          setting.help, setting.shown_default, "", VariableOf(setting.name));
  }
  absl::StrAppend(
      &help,
      "  --config FILE\n"
      "                                 the configuration file; default: none\n"
      "                                 [ACCLIMATE_CONFIG]\n\n"
      "The chosen addresses are logged, and written to DIR/endpoint.json. SIGTERM and\n"
      "SIGINT drain; a second one ends at once. Exit codes: 0 stopped as asked, 1 could\n"
      "not run, 2 wrong usage.\n");
  return help;
}

}  // namespace acclimate
