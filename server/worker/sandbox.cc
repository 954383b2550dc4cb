#include "server/worker/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "server/protocol/unique_fd.h"
#include "server/worker/landlock.h"
#include "server/worker/syscall_filter.h"

namespace acclimate::worker {
namespace {

constexpr rlim_t kMaxOpenFiles = 1024;

absl::Status LastError(const char* what) { return absl::ErrnoToStatus(errno, what); }

absl::Status SetNoNewPrivileges() {
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? absl::OkStatus() : LastError("prctl");
}

absl::Status LowerLimit(int resource, rlim_t value, const char* name) {
  rlimit limit;
  if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return LastError(name);
  if (limit.rlim_max < value) value = limit.rlim_max;
  limit = {value, value};
  return setrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0 ? absl::OkStatus()
                                                                          : LastError(name);
}

absl::Status LowerLimits(int64_t file_size_limit_bytes) {
  absl::Status status = LowerLimit(RLIMIT_CORE, 0, "RLIMIT_CORE");
  status.Update(LowerLimit(RLIMIT_NOFILE, kMaxOpenFiles, "RLIMIT_NOFILE"));
  status.Update(LowerLimit(RLIMIT_MSGQUEUE, 0, "RLIMIT_MSGQUEUE"));
  if (file_size_limit_bytes > 0) {
    status.Update(LowerLimit(RLIMIT_FSIZE, file_size_limit_bytes, "RLIMIT_FSIZE"));
  }
  return status;
}

absl::Status LeaveNetwork() {
  // An unprivileged process may do it in a user namespace of its own.
  if (unshare(CLONE_NEWNET) == 0) return absl::OkStatus();
  if (errno == EPERM && unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) return absl::OkStatus();
  return LastError("unshare");
}

absl::Status DropCapabilities() {
  // Not kept through an exec either; capabilities that the kernel does not know end the loop.
  for (int capability = 0; capability < 64; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) break;
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return syscall(SYS_capset, &header, none) == 0 ? absl::OkStatus() : LastError("capset");
}

}  // namespace

absl::StatusOr<Sandbox> Sandbox::Prepare(const SandboxOptions& options) {
  const protocol::UniqueFd scratch(
      open(options.scratch_directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!scratch.valid()) {
    return absl::InvalidArgumentError(
        absl::StrCat("scratch directory ", options.scratch_directory, ": ", strerror(errno)));
  }
  Sandbox sandbox;
  sandbox.Record("no_new_privs", SetNoNewPrivileges());
  sandbox.Record("rlimits", LowerLimits(options.file_size_limit_bytes));
  sandbox.Record("network", LeaveNetwork());
  sandbox.Record("capabilities", DropCapabilities());
  sandbox.Record("landlock", RestrictFileAccess(options.scratch_directory, options.gpu));
  return sandbox;
}

void Sandbox::Close() { Record("seccomp", FilterSystemCalls()); }

void Sandbox::Record(const std::string& measure, const absl::Status& status) {
  facts_[measure] = status.ok() ? "on" : absl::StrCat("off: ", status.message());
}

}  // namespace acclimate::worker
