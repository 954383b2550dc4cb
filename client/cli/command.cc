#include "client/cli/command.h"

#include "client/cli/settings.h"

namespace acclimate::cli {

const std::vector<Command>& Commands() {
  static const auto* commands = new std::vector<Command>{
      AdaptCommand(),          TrainCommand(),      EvaluateCommand(),   DiagnoseCommand(),
      InspectCommand(),        ReportCommand(),     AuditCommand(),      JobsListCommand(),
      JobsGetCommand(),        JobsWatchCommand(),  JobsCancelCommand(), JobsPauseCommand(),
      JobsResumeCommand(),     JobsRetryCommand(),  JobsDeleteCommand(), BlobsPutCommand(),
      BlobsGetCommand(),       BlobsStatCommand(),  BlobsAbortCommand(), BlobsPinCommand(),
      BlobsUnpinCommand(),     MethodsCommand(),    HealthCommand(),     ServerInfoCommand(),
      ServerLogLevelCommand(), CompletionCommand(),
  };
  return *commands;
}

const std::vector<OptionSpec>& GlobalOptions() {
  static const auto* options = [] {
    auto* all = new std::vector<OptionSpec>(ConnectionFlags());
    all->insert(all->end(), {{"json", ValueKind::kSwitch, "",
                              "print one JSON document on stdout and nothing else"},
                             {"help", ValueKind::kSwitch, "", "show this help"},
                             {"version", ValueKind::kSwitch, "", "print the version"}});
    return all;
  }();
  return *options;
}

}  // namespace acclimate::cli
