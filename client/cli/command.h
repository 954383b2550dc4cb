// A command of `acclimate`: its words, what it takes, and what it does.
#ifndef ACCLIMATE_CLIENT_CLI_COMMAND_H_
#define ACCLIMATE_CLIENT_CLI_COMMAND_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/arguments.h"
#include "client/cli/interrupt.h"
#include "client/lib/connection.h"

namespace acclimate::cli {

// What the shell sees. Documented in `acclimate --help`.
enum ExitCode {
  kSuccess = 0,
  kFailed = 1,         // the job failed or was cancelled, or the server refused the call
  kUsage = 2,          // wrong arguments: found here, or named by the server
  kUnreachable = 3,    // no server answered
  kInterrupted = 130,  // Ctrl-C; a submitted job goes on
};

struct Invocation {
  Arguments arguments;
  bool json = false;  // stdout holds one JSON document and nothing else
  client::Connection& connection;
  Interrupt& interrupt;
};

struct Command {
  std::string name;         // "adapt", "jobs list"
  std::string summary;      // one line
  std::string description;  // for --help; may be empty
  ArgumentSpec arguments;
  // A code for an outcome that the command has told itself; an error is told by the caller.
  absl::StatusOr<ExitCode> (*run)(Invocation& invocation);
};

// Every command, in the order of --help. One line and one file for each.
const std::vector<Command>& Commands();
// Those that every command takes: ConnectionFlags(), --json, --help, --version.
const std::vector<OptionSpec>& GlobalOptions();

Command AdaptCommand();
Command TrainCommand();
Command EvaluateCommand();
Command DiagnoseCommand();
Command InspectCommand();
Command ReportCommand();
Command AuditCommand();
Command JobsListCommand();
Command JobsGetCommand();
Command JobsWatchCommand();
Command JobsCancelCommand();
Command JobsPauseCommand();
Command JobsResumeCommand();
Command JobsRetryCommand();
Command JobsDeleteCommand();
Command BlobsPutCommand();
Command BlobsGetCommand();
Command BlobsStatCommand();
Command BlobsAbortCommand();
Command BlobsPinCommand();
Command BlobsUnpinCommand();
Command MethodsCommand();
Command HealthCommand();
Command ServerInfoCommand();
Command ServerLogLevelCommand();
Command CompletionCommand();

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_COMMAND_H_
