#include "server/api/maintenance_command.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/api/data_directory.h"
#include "server/base/config.h"
#include "server/base/log.h"
#include "server/maintenance/backup.h"
#include "server/maintenance/fsck.h"
#include "server/maintenance/garbage.h"

namespace acclimate::api {
namespace {

constexpr int kAllIsWell = 0;
constexpr int kProblems = 1;
constexpr int kWrongUsage = 2;

struct Invocation {
  ServerConfig config;
  std::string other;  // the folder to copy to or from
};

void PrintError(absl::string_view message) {
  std::fprintf(stderr, "acclimated: %s\n", std::string(message).c_str());
}

int Tell(const absl::StatusOr<maintenance::FsckResult>& result) {
  if (!result.ok()) {
    PrintError(result.status().message());
    return kProblems;
  }
  for (const maintenance::Problem& problem : result->problems) {
    std::printf("%s %s\n", problem.what.c_str(), problem.problem.c_str());
  }
  std::printf("%lld blobs, %lld bytes, %zu problems\n", static_cast<long long>(result->blobs),
              static_cast<long long>(result->bytes), result->problems.size());
  return result->problems.empty() ? kAllIsWell : kProblems;
}

int CollectGarbage(const Invocation& invocation) {
  if (!std::filesystem::exists(invocation.config.data_dir + "/jobs.sqlite")) {
    PrintError(absl::StrCat(invocation.config.data_dir, " has no jobs.sqlite"));
    return kProblems;
  }
  const absl::StatusOr<DataDirectory> directory = DataDirectory::Open(invocation.config.data_dir);
  if (!directory.ok()) {
    PrintError(absl::StrCat(directory.status().message(),
                            "; a running server collects by itself (--gc-interval)"));
    return kProblems;
  }
  const absl::StatusOr<artifacts::Collected> collected =
      maintenance::CollectGarbage(directory->path(), invocation.config.gc_grace_period);
  if (!collected.ok()) {
    PrintError(collected.status().message());
    return kProblems;
  }
  std::printf("%lld blobs removed, %lld bytes\n", static_cast<long long>(collected->blobs),
              static_cast<long long>(collected->bytes));
  return kAllIsWell;
}

int Fsck(const Invocation& invocation) {
  return Tell(maintenance::Fsck(invocation.config.data_dir));
}

int BackUp(const Invocation& invocation) {
  return Tell(maintenance::BackUp(invocation.config.data_dir, invocation.other));
}

int Restore(const Invocation& invocation) {
  return Tell(maintenance::Restore(invocation.other, invocation.config.data_dir));
}

struct MaintenanceCommand {
  const char* name;
  const char* folder;  // what the argument names; null: there is none
  int (*run)(const Invocation& invocation);
};

constexpr MaintenanceCommand kCommands[] = {{"gc", nullptr, CollectGarbage},
                                            {"fsck", nullptr, Fsck},
                                            {"backup", "TO", BackUp},
                                            {"restore", "FROM", Restore}};

const MaintenanceCommand* Find(const std::vector<std::string>& arguments) {
  const auto* const found = std::find_if(
      std::begin(kCommands), std::end(kCommands),
      [&](const auto& command) { return !arguments.empty() && arguments[0] == command.name; });
  return found == std::end(kCommands) ? nullptr : found;
}

}  // namespace

bool IsMaintenanceCommand(const std::vector<std::string>& arguments) {
  return Find(arguments) != nullptr;
}

int RunMaintenanceCommand(const std::vector<std::string>& arguments) {
  const MaintenanceCommand& command = *Find(arguments);
  auto flags = arguments.begin() + 1;
  Invocation invocation;
  if (command.folder != nullptr) {
    if (flags == arguments.end() || flags->empty() || flags->front() == '-') {
      PrintError(
          absl::StrCat("usage: acclimated ", command.name, " ", command.folder, " --data-dir DIR"));
      return kWrongUsage;
    }
    invocation.other = *flags++;
  }
  absl::StatusOr<ServerConfig> config = LoadServerConfig(
      {flags, arguments.end()}, [](const char* name) { return std::getenv(name); });
  if (!config.ok()) {
    PrintError(config.status().message());
    return kWrongUsage;
  }
  SetLogLevel(std::max(config->log_level, LogLevel::kWarning));  // stdout says what is done
  invocation.config = *std::move(config);
  return command.run(invocation);
}

}  // namespace acclimate::api
