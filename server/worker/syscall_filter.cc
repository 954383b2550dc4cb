#include "server/worker/syscall_filter.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"

namespace acclimate::worker {
namespace {

constexpr const char* kDenied[] = {
    // The network: sockets that exist (the channel) go on working.
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4",
    // Programs and processes.
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "process_mrelease", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "kcmp",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tkill", "setpgid", "setsid",
    // Other processes' priorities and processors.
    "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler", "setpriority",
    "ioprio_set", "migrate_pages", "move_pages",
    // The file system as a whole.
    "mount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick",
    "open_tree", "move_mount", "mount_setattr", "open_by_handle_at", "name_to_handle_at", "mknod",
    "mknodat", "swapon", "swapoff", "quotactl", "quotactl_fd", "fanotify_init",
    // Owners, permissions and times of files, which landlock does not govern.
    "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr",
    "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "utime", "utimes", "utimensat",
    "futimesat",
    // Identity and namespaces.
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid",
    "setfsgid", "capset", "unshare", "setns", "personality",
    // The kernel.
    "bpf", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "userfaultfd", "keyctl", "add_key", "request_key", "init_module", "finit_module",
    "delete_module", "kexec_load", "kexec_file_load", "reboot", "syslog", "acct", "iopl", "ioperm",
    "modify_ldt", "lookup_dcookie", "vhangup", "nfsservctl", "uselib", "ustat", "_sysctl",
    // The clock and the host's names.
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "stime", "sethostname",
    "setdomainname",
    // System V objects and message queues, which processes share.
    "shmget", "shmat", "msgget", "semget", "mq_open"};

// Newer than libseccomp 2.5; numbers from 424 on are the same on every architecture: fchmodat2,
// setxattrat, removexattrat, open_tree_attr, file_setattr.
constexpr int kDeniedByNumber[] = {452, 463, 466, 467, 469};

class FilterBuilder {
 public:
  FilterBuilder() : context_(seccomp_init(SCMP_ACT_ALLOW), seccomp_release) {
    Check(context_ == nullptr ? -ENOMEM : 0, "seccomp_init");
    if (context_ != nullptr) {
      Check(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1), "synchronising threads");
    }
  }

  // Architectures differ in what they have; what this one lacks needs no rule.
  template <typename... Condition>
  void Deny(const char* name, int error, Condition... condition) {
    DenyNumber(seccomp_syscall_resolve_name(name), error, condition...);
  }

  template <typename... Condition>
  void DenyNumber(int number, int error, Condition... condition) {
    if (!status_.ok() || number < 0) return;
    Check(seccomp_rule_add(context_.get(), SCMP_ACT_ERRNO(error), number, sizeof...(condition),
                           condition...),
          "seccomp_rule_add");
  }

  absl::Status Load() {
    if (status_.ok()) Check(seccomp_load(context_.get()), "seccomp_load");
    return status_;
  }

 private:
  void Check(int result, const char* what) {
    if (result < 0) status_.Update(absl::ErrnoToStatus(-result, what));
  }

  std::unique_ptr<void, decltype(&seccomp_release)> context_;
  absl::Status status_;
};

}  // namespace

absl::Status FilterSystemCalls() {
  const auto self = static_cast<scmp_datum_t>(getpid());
  FilterBuilder filter;
  for (const char* name : kDenied) filter.Deny(name, EPERM);
  for (int number : kDeniedByNumber) filter.DenyNumber(number, EPERM);
  // Threads, but no processes. clone3 hides its flags from a filter: glibc falls back to clone.
  filter.Deny("clone", EPERM, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
  filter.Deny("clone3", ENOSYS);
  // Signals and limits of this process only (abort() sends itself a signal).
  filter.Deny("kill", EPERM, SCMP_A0(SCMP_CMP_NE, self));
  filter.Deny("tgkill", EPERM, SCMP_A0(SCMP_CMP_NE, self));
  filter.Deny("prlimit64", EPERM, SCMP_A0(SCMP_CMP_NE, 0), SCMP_A2(SCMP_CMP_NE, 0));
  // Typing into a terminal.
  filter.Deny("ioctl", EPERM, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
  return filter.Load();
}

}  // namespace acclimate::worker
