// --help, generated from the table of commands.
#ifndef ACCLIMATE_CLIENT_CLI_HELP_H_
#define ACCLIMATE_CLIENT_CLI_HELP_H_

#include <string>

#include "client/cli/command.h"

namespace acclimate::cli {

std::string ProgramHelp();
std::string CommandHelp(const Command& command);
// The commands of a group such as "jobs".
std::string GroupHelp(const std::string& group);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_HELP_H_
