#include "server/auth/audit_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/artifacts/sha256.h"
#include "server/base/log.h"

namespace acclimate::auth {
namespace {

constexpr char kHashKey[] = ",\"hash\":\"";
constexpr size_t kHashDigits = 64;

std::string NoHash() { return std::string(kHashDigits, '0'); }

// All of a line but its hash.
std::string Text(const AuditEntry& entry, int64_t sequence, const std::string& previous) {
  std::string text =
      absl::StrCat("{\"sequence\":", sequence, ",\"time\":\"",
                   absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", entry.time, absl::UTCTimeZone()), "\"");
  const std::pair<const char*, const std::string&> fields[] = {
      {"subject", entry.subject}, {"source", entry.source},     {"peer", entry.peer},
      {"call", entry.call},       {"resource", entry.resource}, {"code", entry.code},
      {"previous", previous}};
  for (const auto& [name, value] : fields) {
    absl::StrAppend(&text, ",\"", name, "\":", JsonQuote(value));
  }
  return text;
}

// Of one line without its end; empty where it is not of our making.
std::string HashOf(absl::string_view line, const std::string& previous, int64_t sequence) {
  const size_t at = line.rfind(kHashKey);
  if (at == absl::string_view::npos) return "";
  const absl::string_view text = line.substr(0, at);
  const std::string hash = artifacts::Sha256Of(text);
  const bool whole = line.substr(at) == absl::StrCat(kHashKey, hash, "\"}");
  const bool follows = absl::EndsWith(text, absl::StrCat(",\"previous\":\"", previous, "\"")) &&
                       absl::StartsWith(text, absl::StrCat("{\"sequence\":", sequence, ","));
  return whole && follows ? hash : "";
}

struct Reading {
  AuditChain chain;
  int64_t whole_bytes = 0;  // up to the end of the last line that has one
  bool torn = false;        // something follows
};

absl::StatusOr<Reading> Read(const std::string& path) {
  Reading reading;
  reading.chain.last_hash = NoHash();
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no file"));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  for (std::string line; std::getline(file, line);) {
    if (file.eof()) {
      reading.torn = true;
      break;
    }
    const int64_t sequence = reading.chain.entries + 1;
    const std::string hash = HashOf(line, reading.chain.last_hash, sequence);
    if (hash.empty()) {
      return absl::DataLossError(absl::StrCat(path, ": the chain breaks at line ", sequence));
    }
    reading.chain = {sequence, hash};
    reading.whole_bytes += static_cast<int64_t>(line.size()) + 1;
  }
  if (file.bad()) return absl::UnavailableError(absl::StrCat("cannot read ", path, " to its end"));
  return reading;
}

absl::Status ErrnoStatus(absl::string_view what, const std::string& path) {
  const std::string message = absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno));
  return errno == ENOSPC ? absl::ResourceExhaustedError(message) : absl::UnavailableError(message);
}

}  // namespace

absl::StatusOr<AuditChain> VerifyAuditLog(const std::string& path) {
  const absl::StatusOr<Reading> reading = Read(path);
  if (!reading.ok()) return reading.status();
  if (!reading->torn) return reading->chain;
  return absl::DataLossError(
      absl::StrCat(path, ": line ", reading->chain.entries + 1, " has no end"));
}

AuditLog::AuditLog(std::string path, artifacts::FileDescriptor file, AuditChain chain)
    : path_(std::move(path)), file_(std::move(file)), chain_(std::move(chain)) {}

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path) {
  artifacts::FileDescriptor file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus("open", path);
  const absl::StatusOr<Reading> reading = Read(path);
  if (!reading.ok()) return reading.status();
  if (reading->torn) {
    LogWarning("the audit log ended in half a line, which is cut off", {{"path", path}});
    if (ftruncate(file.get(), reading->whole_bytes) != 0) return ErrnoStatus("cut", path);
  }
  return absl::WrapUnique(new AuditLog(path, std::move(file), reading->chain));
}

absl::Status AuditLog::Append(const AuditEntry& entry) {
  const absl::MutexLock lock(&mutex_);
  const int64_t sequence = chain_.entries + 1;
  const std::string text = Text(entry, sequence, chain_.last_hash);
  const std::string hash = artifacts::Sha256Of(text);
  const std::string line = absl::StrCat(text, kHashKey, hash, "\"}\n");
  const off_t before = lseek(file_.get(), 0, SEEK_END);
  const ssize_t written = write(file_.get(), line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    const absl::Status status = ErrnoStatus("write to", path_);
    // Half a line must not stand before the next one.
    if (written > 0 && ftruncate(file_.get(), before) != 0) return ErrnoStatus("cut", path_);
    return status;
  }
  chain_ = {sequence, hash};
  return absl::OkStatus();
}

AuditChain AuditLog::chain() const {
  const absl::MutexLock lock(&mutex_);
  return chain_;
}

}  // namespace acclimate::auth
