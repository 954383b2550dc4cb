#include "server/node/worker_usage.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace acclimate::node {
namespace {

constexpr int kMaxFiles = 10'000;  // in a scratch directory, folders included

int64_t Threads(pid_t process) {
  struct stat tasks {};
  if (stat(absl::StrCat("/proc/", process, "/task").c_str(), &tasks) != 0) return 0;
  return static_cast<int64_t>(tasks.st_nlink) - 2;  // a folder for each
}

struct Contents {
  int64_t bytes = 0;  // on the disk
  int files = 0;
};

// As far as kMaxFiles. The worker may change it meanwhile.
Contents ContentsOf(const std::string& directory) {
  Contents contents;
  std::error_code error;
  for (auto it = std::filesystem::recursive_directory_iterator(directory, error);
       !error && it != std::filesystem::recursive_directory_iterator() &&
       contents.files <= kMaxFiles;
       it.increment(error)) {
    struct stat info {};
    ++contents.files;
    if (lstat(it->path().c_str(), &info) == 0) contents.bytes += int64_t{info.st_blocks} * 512;
  }
  return contents;
}

}  // namespace

std::string ExceededLimit(pid_t worker, const std::string& scratch_directory,
                          const UsageLimits& limits) {
  if (limits.threads > 0) {
    const int64_t threads = Threads(worker);
    if (threads > limits.threads) {
      return absl::StrCat("the job used ", threads, " threads; it may use ", limits.threads,
                          " (--job-thread-limit)");
    }
  }
  if (limits.scratch_bytes <= 0) return "";
  const Contents contents = ContentsOf(scratch_directory);
  if (contents.files > kMaxFiles) {
    return absl::StrCat("the job wrote more than ", kMaxFiles, " files");
  }
  if (contents.bytes <= limits.scratch_bytes) return "";
  return absl::StrCat("the job wrote ", contents.bytes, " bytes; it may write ",
                      limits.scratch_bytes, " (--job-scratch-limit)");
}

int64_t AnonymousMemoryBytes(pid_t worker) {
  std::ifstream status(absl::StrCat("/proc/", worker, "/status"));
  std::string key, rest;
  int64_t kibibytes = 0;
  while (status >> key && key != "RssAnon:") std::getline(status, rest);
  return status >> kibibytes ? kibibytes << 10 : 0;
}

}  // namespace acclimate::node
