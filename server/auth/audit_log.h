// Who did what: an append-only file of JSON lines, each of which holds the hash of the one before.
//
//   {"sequence":2,"time":"2026-01-02T03:04:05.678Z","subject":"alice","source":"token",
//    "peer":"ipv4:10.0.0.7:51234","call":"acclimate.v1.JobService/CreateJob",
//    "resource":"tenants/default","code":"OK","previous":"<sha256>","hash":"<sha256>"}
//
// "hash" is the SHA-256 of the line's text before `,"hash"`. A line that is changed, taken out or
// put in breaks the chain from there on; to cut lines off at the end leaves no trace in the file
// itself, so keep the last hash elsewhere (the log of the server tells it at its start and end).
#ifndef ACCLIMATE_SERVER_AUTH_AUDIT_LOG_H_
#define ACCLIMATE_SERVER_AUTH_AUDIT_LOG_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/artifacts/file_descriptor.h"

namespace acclimate::auth {

struct AuditEntry {
  absl::Time time;
  std::string subject, source, peer, call, resource, code;
};

// Where a chain ends.
struct AuditChain {
  int64_t entries = 0;
  std::string last_hash;  // 64 zeros where there are none
};

// DATA_LOSS names the line at which the chain breaks; a last line without its end, which a power
// loss leaves behind, is one as well. NOT_FOUND, INVALID_ARGUMENT: there is no such file.
absl::StatusOr<AuditChain> VerifyAuditLog(const std::string& path);

// Thread-safe.
class AuditLog {
 public:
  // Verifies what is there, and cuts off a last line without its end. DATA_LOSS: the chain is
  // broken; the file is left as it is.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const std::string& path);

  // In the file when it returns: it survives a kill of the process.
  absl::Status Append(const AuditEntry& entry);

  AuditChain chain() const;

 private:
  AuditLog(std::string path, artifacts::FileDescriptor file, AuditChain chain);

  const std::string path_;
  mutable absl::Mutex mutex_;
  artifacts::FileDescriptor file_ ABSL_GUARDED_BY(mutex_);
  AuditChain chain_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace acclimate::auth

#endif  // ACCLIMATE_SERVER_AUTH_AUDIT_LOG_H_
