#include "client/cli/command.h"

namespace acclimate::cli {

const std::vector<Command>& Commands() {
  static const auto* commands = new std::vector<Command>{
      AdaptCommand(),      TrainCommand(),      EvaluateCommand(),   DiagnoseCommand(),
      ReportCommand(),     JobsListCommand(),   JobsGetCommand(),    JobsWatchCommand(),
      JobsCancelCommand(), JobsDeleteCommand(), BlobsPutCommand(),   BlobsGetCommand(),
      BlobsStatCommand(),  MethodsCommand(),    ServerInfoCommand(), CompletionCommand(),
  };
  return *commands;
}

const std::vector<OptionSpec>& GlobalOptions() {
  static const auto* options = new std::vector<OptionSpec>{
      {"server", ValueKind::kText, "ADDR",
       "the server (default: $ACCLIMATE_SERVER, else 127.0.0.1:50051)"},
      {"json", ValueKind::kSwitch, "", "print one JSON document on stdout and nothing else"},
      {"help", ValueKind::kSwitch, "", "show this help"},
      {"version", ValueKind::kSwitch, "", "print the version"},
  };
  return *options;
}

}  // namespace acclimate::cli
