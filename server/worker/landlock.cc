#include "server/worker/landlock.h"

#include <dirent.h>
#include <fcntl.h>
#include <link.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/protocol/unique_fd.h"
#include "server/worker/gpu_files.h"

namespace acclimate::worker {
namespace {

// As in Linux 6.12: Debian 12's header ends with the second version of the interface.
struct RulesetAttributes {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};
constexpr uint64_t kAccessTruncate = uint64_t{1} << 14;     // version 3
constexpr uint64_t kAccessIoctlDevice = uint64_t{1} << 15;  // version 5
constexpr uint64_t kNetBindConnectTcp = 3;                  // version 4
constexpr uint64_t kScopeAbstractSocketsSignals = 3;        // version 6

constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kWriteFile = LANDLOCK_ACCESS_FS_WRITE_FILE | kAccessTruncate;
constexpr uint64_t kDevice = kRead | kWriteFile | kAccessIoctlDevice;
constexpr uint64_t kWriteTree = kWriteFile | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER;

// Everything that the version can govern, so that what no rule allows is denied.
RulesetAttributes AllAccess(int version) {
  RulesetAttributes all = {};
  all.handled_access_fs = (uint64_t{1} << 13) - 1;
  if (version >= 2) all.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) all.handled_access_fs |= kAccessTruncate;
  if (version >= 4) all.handled_access_net = kNetBindConnectTcp;
  if (version >= 5) all.handled_access_fs |= kAccessIoctlDevice;
  if (version >= 6) all.scoped = kScopeAbstractSocketsSignals;
  return all;
}

int CountThreads() {
  int count = 0;
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return -1;
  while (const dirent* entry = readdir(tasks)) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

// Where the dynamic linker found our libraries: more of them may be loaded from there on demand.
std::set<std::string> LibraryDirectories() {
  std::set<std::string> directories;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* into) {
        const std::string path = info->dlpi_name;
        if (absl::StartsWith(path, "/")) {
          static_cast<std::set<std::string>*>(into)->insert(path.substr(0, path.rfind('/')));
        }
        return 0;
      },
      &directories);
  return directories;
}

class Ruleset {
 public:
  Ruleset(int fd, uint64_t governed) : fd_(fd), governed_(governed) {}

  int fd() const { return fd_.get(); }

  // NOT_FOUND when there is no such path.
  absl::Status Allow(const std::string& path, uint64_t access) const {
    const protocol::UniqueFd target(open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat info;
    if (!target.valid() || fstat(target.get(), &info) != 0) {
      return absl::ErrnoToStatus(errno, path);
    }
    if (!S_ISDIR(info.st_mode)) {
      access &= kWriteFile | kAccessIoctlDevice | LANDLOCK_ACCESS_FS_READ_FILE;
    }
    const landlock_path_beneath_attr rule = {access & governed_, target.get()};
    if (syscall(SYS_landlock_add_rule, fd(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("landlock rule for ", path));
    }
    return absl::OkStatus();
  }

  // What a machine may lack is no error: then there is nothing to allow.
  absl::Status AllowIfThere(const std::string& path, uint64_t access) const {
    const absl::Status status = Allow(path, access);
    return absl::IsNotFound(status) ? absl::OkStatus() : status;
  }

 private:
  protocol::UniqueFd fd_;
  uint64_t governed_;
};

absl::Status AddRules(const Ruleset& ruleset, const std::string& scratch_directory) {
  absl::Status status = ruleset.Allow(scratch_directory, kRead | kWriteTree);
  for (const std::string& directory : LibraryDirectories()) {
    status.Update(ruleset.AllowIfThere(directory, kRead));
  }
  for (const char* path : {"/etc/ld.so.cache", "/proc/self", "/proc/cpuinfo", "/proc/meminfo",
                           "/sys/devices/system", "/dev/zero", "/dev/urandom", "/dev/random"}) {
    status.Update(ruleset.AllowIfThere(path, kRead));
  }
  status.Update(ruleset.AllowIfThere("/dev/null", kDevice));
  return status;
}

absl::Status AddGpuRules(const Ruleset& ruleset) {
  const GpuFiles files = FindGpuFiles();
  absl::Status status;
  for (const std::string& path : files.devices) status.Update(ruleset.AllowIfThere(path, kDevice));
  for (const std::string& path : files.readable) status.Update(ruleset.AllowIfThere(path, kRead));
  for (const std::string& path : files.listed) {
    status.Update(ruleset.AllowIfThere(path, LANDLOCK_ACCESS_FS_READ_DIR));
  }
  return status;
}

}  // namespace

absl::Status RestrictFileAccess(const std::string& scratch_directory, bool gpu) {
  const int version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 0) {
    return absl::UnimplementedError(
        absl::StrCat("this kernel has no landlock (", strerror(errno), ")"));
  }
  if (const int threads = CountThreads(); threads != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat(threads, " threads run already, which landlock would not bind"));
  }
  const RulesetAttributes all = AllAccess(version);
  // An older kernel knows a shorter structure; the fields it lacks are zero.
  const Ruleset ruleset(syscall(SYS_landlock_create_ruleset, &all,
                                version >= 6   ? sizeof(all)
                                : version >= 4 ? 2 * sizeof(uint64_t)
                                               : sizeof(uint64_t),
                                0),
                        all.handled_access_fs);
  if (ruleset.fd() < 0) return absl::ErrnoToStatus(errno, "landlock_create_ruleset");
  absl::Status status = AddRules(ruleset, scratch_directory);
  if (gpu) status.Update(AddGpuRules(ruleset));
  if (!status.ok()) return status;
  if (syscall(SYS_landlock_restrict_self, ruleset.fd(), 0) != 0) {
    return absl::ErrnoToStatus(errno, "landlock_restrict_self");
  }
  return absl::OkStatus();
}

}  // namespace acclimate::worker
